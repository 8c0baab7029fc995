-- Share of the candidate videos whose captions must be requested again. Assets downstream are incomplete until then.
-- asset: videos, severity: warn
SELECT
    avg((next_try_at IS NOT NULL)::INT) AS value,
    value <= 0.05 AS passed
FROM caption_fetches
