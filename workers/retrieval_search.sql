-- Hybrid search: passages by words and passages by meaning, joined by reciprocal rank fusion
-- (Cormack, Clarke, Büttcher, SIGIR 2009): score = Σ 1 / (60 + rank).
--
-- $1 question, $2 its embedding (real[]), $3 candidates of each kind, $4 results
-- :index and :dimensions are numbers that stand in the text, so that the planner finds the index's own HNSW index.
--
-- Words are joined by OR, as a question is no list of keywords; a rare word counts more than a common one
-- (inverse document frequency), because ts_rank alone does not know how rare a word is.
WITH this AS MATERIALIZED (
    SELECT language::regconfig AS language,
           (SELECT count(*) FROM retrieval.passages WHERE index_id = :index)::float8 AS passages
    FROM retrieval.indexes WHERE id = :index
),
terms AS (
    SELECT ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery AS term
    FROM this, unnest(to_tsvector(language, $1))
),
weighted AS MATERIALIZED (
    SELECT term, ln(1 + this.passages / (1 + found.passages)) AS weight
    FROM this, terms, LATERAL (
        SELECT count(*) AS passages FROM retrieval.passages WHERE index_id = :index AND words @@ term
    ) AS found
),
by_words AS (
    SELECT passages.id, row_number() OVER (ORDER BY sum(weight * ts_rank(words, term)) DESC, passages.id) AS rank
    FROM weighted JOIN retrieval.passages ON index_id = :index AND words @@ term
    GROUP BY passages.id
    ORDER BY rank
    LIMIT $3
),
by_meaning AS (
    SELECT id, row_number() OVER (ORDER BY distance, id) AS rank
    FROM (
        SELECT id, embedding::vector(:dimensions) <=> $2::real[]::vector(:dimensions) AS distance
        FROM retrieval.passages
        WHERE index_id = :index
        ORDER BY distance
        LIMIT $3
    ) AS nearest
)
SELECT documents.path, passages.start, passages.stop, passages.heading, passages.page, passages.body,
       by_words.rank AS word_rank, by_meaning.rank AS meaning_rank,
       coalesce(1.0 / (60 + by_words.rank), 0) + coalesce(1.0 / (60 + by_meaning.rank), 0) AS score
FROM by_words
FULL JOIN by_meaning USING (id)
JOIN retrieval.passages USING (id)
JOIN retrieval.documents ON documents.id = passages.document_id
ORDER BY score DESC, passages.id
LIMIT $4;
