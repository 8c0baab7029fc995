-- Videos to train on: without any there is no model.
-- asset: training_manifest, severity: error
SELECT
    count(*) AS value,
    value >= 1 AS passed
FROM training_manifest
WHERE split = 'train'
