-- Number of training videos. Training needs at least one.
-- asset: training_manifest, severity: error
SELECT
    count(*) AS value,
    value >= 1 AS passed
FROM training_manifest
WHERE split = 'train'
