-- Share of the videos whose features were computed without an error.
-- asset: training_manifest, severity: warn
SELECT
    avg((status = 'ok')::INT) AS value,
    value >= 0.9 AS passed
FROM feature_index
