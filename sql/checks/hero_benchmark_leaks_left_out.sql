-- Number of HERO's training videos that show what an evaluation video of a benchmark shows. There is none by default.
-- asset: hero_manifest, severity: warn, where there is: benchmark_leaks
SELECT
    count(DISTINCT hero_manifest.video_id) AS value,
    value = 0 AS passed
FROM hero_manifest
SEMI JOIN benchmark_leaks ON hero_manifest.video_id = benchmark_leaks.video_id
