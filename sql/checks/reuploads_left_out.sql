-- Number of training videos that are re-uploads of another video. There must be none.
-- asset: training_manifest, severity: error
SELECT
    count(*) AS value,
    value = 0 AS passed
FROM training_manifest
SEMI JOIN video_duplicates ON training_manifest.video_id = video_duplicates.video_id
