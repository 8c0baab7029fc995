-- Share of the candidate videos whose captions were found. A low share means refused requests or a changed page.
-- asset: videos, severity: warn
SELECT
    avg((status = 'ok')::INT) AS value,
    value >= 0.2 AS passed
FROM caption_fetches
