-- Videos of a benchmark's evaluation set among those that a model is trained on: one is too many.
-- asset: training_manifest, severity: error
SELECT
    count(*) AS value,
    value = 0 AS passed
FROM training_manifest
SEMI JOIN evaluation_videos ON training_manifest.video_id = evaluation_videos.video_id
