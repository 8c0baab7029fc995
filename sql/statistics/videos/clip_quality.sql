-- Quantiles of what is measured of clips, to choose limits by.
WITH quantiles AS (
    SELECT unnest([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) AS quantile
),

measured AS (
    SELECT
        quantile_cont(brightness, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) AS brightness,
        quantile_cont(sharpness, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) AS sharpness,
        quantile_cont(motion, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) AS motion,
        quantile_cont(words_per_s, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) AS words_per_s,
        quantile_cont(cuts, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) AS cuts
    FROM clip_quality
),

numbered AS (
    SELECT
        quantile,
        row_number() OVER (ORDER BY quantile) AS position
    FROM quantiles
)

SELECT
    format('{:.0f} %', 100 * numbered.quantile) AS item,
    measured.brightness[numbered.position] AS brightness,
    measured.sharpness[numbered.position] AS sharpness,
    measured.motion[numbered.position] AS motion,
    measured.words_per_s[numbered.position] AS words_per_s,
    measured.cuts[numbered.position] AS cuts
FROM numbered
CROSS JOIN measured
ORDER BY numbered.quantile
