-- Quantiles of what is measured of clips, to choose limits by, from counts of rounded values, which need little memory.
WITH counted AS (
    SELECT
        'brightness' AS measure,
        round(1000 * brightness)::INT AS measured,
        count(*) AS clips
    FROM clip_quality
    GROUP BY measured
    UNION ALL
    SELECT
        'sharpness' AS measure,
        round(10 * sharpness)::INT AS measured,
        count(*) AS clips
    FROM clip_quality
    GROUP BY measured
    UNION ALL
    SELECT
        'motion' AS measure,
        round(10000 * motion)::INT AS measured,
        count(*) AS clips
    FROM clip_quality
    GROUP BY measured
    UNION ALL
    SELECT
        'words_per_s' AS measure,
        round(100 * words_per_s)::INT AS measured,
        count(*) AS clips
    FROM clip_quality
    GROUP BY measured
    UNION ALL
    SELECT
        'cuts' AS measure,
        cuts::INT AS measured,
        count(*) AS clips
    FROM clip_quality
    GROUP BY measured
),

ranked AS (
    SELECT
        measure,
        measured,
        sum(clips) OVER (PARTITION BY measure ORDER BY measured) AS clips_up_to_it,
        sum(clips) OVER (PARTITION BY measure) AS clip_count
    FROM counted
    WHERE measured IS NOT NULL
),

quantiles AS (
    SELECT unnest([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) AS quantile
)

SELECT
    format('{:.0f} %', 100 * quantiles.quantile) AS item,
    min(ranked.measured) FILTER (WHERE ranked.measure = 'brightness') / 1000 AS brightness,
    min(ranked.measured) FILTER (WHERE ranked.measure = 'sharpness') / 10 AS sharpness,
    min(ranked.measured) FILTER (WHERE ranked.measure = 'motion') / 10000 AS motion,
    min(ranked.measured) FILTER (WHERE ranked.measure = 'words_per_s') / 100 AS words_per_s,
    min(ranked.measured) FILTER (WHERE ranked.measure = 'cuts') AS cuts
FROM ranked
INNER JOIN quantiles ON ranked.clips_up_to_it >= quantiles.quantile * ranked.clip_count
GROUP BY quantiles.quantile
ORDER BY quantiles.quantile
