-- Quantiles of clip length (to 0.1 s), caption length and clips per video, from counts, which need little memory.
WITH counted AS (
    SELECT
        'tenths_of_clip_s' AS measure,
        CAST(ROUND(10 * (end_s - start_s)) AS INTEGER) AS measured,
        COUNT(*) AS rows_with_it
    FROM clips
    GROUP BY measured
    UNION ALL
    SELECT
        'caption_words' AS measure,
        word_count AS measured,
        COUNT(*) AS rows_with_it
    FROM clips
    GROUP BY measured
    UNION ALL
    SELECT
        'clips_per_video' AS measure,
        clips AS measured,
        COUNT(*) AS rows_with_it
    FROM (SELECT COUNT(*) AS clips FROM clips GROUP BY video_id) AS videos
    GROUP BY measured
),

ranked AS (
    SELECT
        measure,
        measured,
        SUM(rows_with_it) OVER (PARTITION BY measure ORDER BY measured) AS rows_up_to_it,
        SUM(rows_with_it) OVER (PARTITION BY measure) AS row_count
    FROM counted
),

quantiles AS (
    SELECT UNNEST([0.05, 0.25, 0.5, 0.75, 0.95]) AS quantile
)

SELECT
    FORMAT('{:.0f} %', 100 * quantiles.quantile) AS item,
    MIN(ranked.measured) FILTER (WHERE ranked.measure = 'tenths_of_clip_s') / 10 AS clip_s,
    MIN(ranked.measured) FILTER (WHERE ranked.measure = 'caption_words') AS caption_words,
    MIN(ranked.measured) FILTER (WHERE ranked.measure = 'clips_per_video') AS clips_per_video
FROM ranked
INNER JOIN quantiles ON ranked.rows_up_to_it >= quantiles.quantile * ranked.row_count
GROUP BY quantiles.quantile
ORDER BY quantiles.quantile
