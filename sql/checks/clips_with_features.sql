-- Share of the clips that contain a feature row. A low share means that times of captions and features do not match.
-- asset: training_manifest, severity: error
SELECT
    1 - sum(without_features) / sum(lines) AS value,
    value >= 0.5 AS passed
FROM pair_index
