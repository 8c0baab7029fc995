-- Number of training videos. Training needs at least one.
-- asset: training_manifest, severity: error
SELECT
    count(*) FILTER (WHERE split = 'train') AS value,
    value >= 1 AS passed,
    count(*) || ' videos have clips with features; testing and validation take one each, so that training needs three.'
    || ' FROM statistics.videos.funnel says where videos were dropped' AS explanation
FROM training_manifest
