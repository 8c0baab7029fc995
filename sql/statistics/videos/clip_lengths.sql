-- Distribution of clip lengths and caption lengths.
WITH quantiles AS (
    SELECT
        quantile_cont(end_s - start_s, [0.05, 0.25, 0.5, 0.75, 0.95]) AS clip_s,
        quantile_cont(word_count, [0.05, 0.25, 0.5, 0.75, 0.95]) AS caption_words
    FROM clips
)

SELECT
    unnest(['5 %', '25 %', '50 %', '75 %', '95 %']) AS item,
    unnest(clip_s) AS clip_s,
    unnest(caption_words) AS caption_words
FROM quantiles
