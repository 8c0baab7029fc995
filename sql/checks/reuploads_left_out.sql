-- Videos that were found to be re-uploads of another and are trained on all the same.
-- asset: training_manifest, severity: error
SELECT
    count(*) AS value,
    value = 0 AS passed
FROM training_manifest
SEMI JOIN video_duplicates ON training_manifest.video_id = video_duplicates.video_id
