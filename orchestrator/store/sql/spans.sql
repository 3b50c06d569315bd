-- name: insert_spans
INSERT INTO spans (started_at, trace_id, span_id, parent_id, tenant, run_id, attempt_id, name, kind, ended_at,
                   status, status_message, attributes, events)
SELECT to_timestamp(started_at), trace_id, span_id, parent_id, tenant, run_id, attempt_id, name, kind,
       to_timestamp(ended_at), status, status_message, attributes, events
FROM unnest($1::float8[], $2::bytea[], $3::bytea[], $4::bytea[], $5::text[], $6::uuid[], $7::uuid[], $8::text[],
            $9::text[], $10::float8[], $11::text[], $12::text[], $13::jsonb[], $14::jsonb[])
     AS span (started_at, trace_id, span_id, parent_id, tenant, run_id, attempt_id, name, kind, ended_at,
              status, status_message, attributes, events)
ON CONFLICT DO NOTHING;

-- name: list_spans
SELECT * FROM spans WHERE run_id = $1 AND tenant = $2 ORDER BY started_at, span_id;
