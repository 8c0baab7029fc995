-- Share of the clips in which a feature row lies: below, times of captions and of features do not belong together.
-- asset: training_manifest, severity: error
SELECT
    1 - sum(without_features) / sum(lines) AS value,
    value >= 0.5 AS passed
FROM pair_index
