-- Distribution of clip lengths and caption lengths.
SELECT
    'quantile ' || q.quantile AS item,
    quantile_cont(clips.end_s - clips.start_s, q.quantile) AS clip_s,
    quantile_cont(clips.word_count, q.quantile) AS caption_words
FROM clips
CROSS JOIN (VALUES (0.05), (0.25), (0.5), (0.75), (0.95)) AS q (quantile)
GROUP BY q.quantile
ORDER BY q.quantile
