-- Share of the candidate videos whose captions were found. Few mean that a client is refused, or a changed page.
-- asset: videos, severity: warn
SELECT
    avg((status = 'ok')::INT) AS value,
    value >= 0.2 AS passed
FROM caption_fetches
