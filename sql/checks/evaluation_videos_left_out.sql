-- Number of training videos that are evaluation videos of a benchmark. There must be none.
-- asset: training_manifest, severity: error
SELECT
    count(*) AS value,
    value = 0 AS passed
FROM training_manifest
SEMI JOIN evaluation_videos ON training_manifest.video_id = evaluation_videos.video_id
