-- Quantiles of clip length (to 0.1 s), caption length and pairs per video, from counts: they need no memory.
WITH counted AS (
    SELECT
        'tenths_of_clip_s' AS measure,
        CAST(round(10 * (end_s - start_s)) AS INTEGER) AS measured,
        count(*) AS rows_with_it
    FROM clips
    GROUP BY measured
    UNION ALL
    SELECT
        'caption_words' AS measure,
        word_count AS measured,
        count(*) AS rows_with_it
    FROM clips
    GROUP BY measured
    UNION ALL
    SELECT
        'clips_per_video' AS measure,
        clips AS measured,
        count(*) AS rows_with_it
    FROM (SELECT count(*) AS clips FROM clips GROUP BY video_id) AS videos
    GROUP BY measured
),

ranked AS (
    SELECT
        measure,
        measured,
        sum(rows_with_it) OVER (PARTITION BY measure ORDER BY measured) AS rows_up_to_it,
        sum(rows_with_it) OVER (PARTITION BY measure) AS row_count
    FROM counted
),

quantiles AS (
    SELECT unnest([0.05, 0.25, 0.5, 0.75, 0.95]) AS quantile
)

SELECT
    format('{:.0f} %', 100 * quantiles.quantile) AS item,
    min(ranked.measured) FILTER (WHERE ranked.measure = 'tenths_of_clip_s') / 10 AS clip_s,
    min(ranked.measured) FILTER (WHERE ranked.measure = 'caption_words') AS caption_words,
    min(ranked.measured) FILTER (WHERE ranked.measure = 'clips_per_video') AS clips_per_video
FROM ranked
INNER JOIN quantiles ON ranked.rows_up_to_it >= quantiles.quantile * ranked.row_count
GROUP BY quantiles.quantile
ORDER BY quantiles.quantile
