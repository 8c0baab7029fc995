-- Share of the candidate videos that no filter drops. Below 1 in 20 a threshold or a source is likely wrong.
-- asset: videos, severity: warn
SELECT
    avg(kept::INT) AS value,
    value >= 0.05 AS passed
FROM videos
