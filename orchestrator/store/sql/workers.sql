-- name: publish_cards
INSERT INTO workers (name, card)
SELECT * FROM unnest($1::text[], $2::jsonb[])
ON CONFLICT (name) DO UPDATE SET card = excluded.card, published_at = now()
WHERE workers.card IS DISTINCT FROM excluded.card;

-- name: read_cards
SELECT name, card FROM workers ORDER BY name;
