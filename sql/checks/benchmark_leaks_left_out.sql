-- Number of training videos that show what an evaluation video of a benchmark shows. There is none by default.
-- asset: training_manifest, severity: warn, where there is: benchmark_leaks
SELECT
    count(*) AS value,
    value = 0 AS passed
FROM training_manifest
SEMI JOIN benchmark_leaks ON training_manifest.video_id = benchmark_leaks.video_id
