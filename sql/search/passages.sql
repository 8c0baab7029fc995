-- Passages of the narration: each clip with the clip after it, so that a phrase may continue on the next caption line.
-- A clip of a sentence's length, or one followed by a pause, is a passage alone.
WITH lines AS (
    SELECT
        video_id,
        clip_index,
        start_s,
        end_s,
        caption,
        caption_source,
        lead(caption) OVER following AS next_caption,
        lead(end_s) OVER following AS next_end_s,
        word_count < $long_words AND lead(start_s) OVER following - end_s < $pause_s AS continues
    FROM clips
    WINDOW following AS (PARTITION BY video_id ORDER BY clip_index)
)

SELECT
    video_id,
    clip_index,
    start_s,
    end_s AS line_end_s,
    caption,
    caption_source,
    CASE WHEN continues THEN greatest(end_s, next_end_s) ELSE end_s END AS end_s,
    CASE WHEN continues THEN concat_ws(' ', caption, next_caption) ELSE caption END AS passage
FROM lines
ORDER BY video_id, clip_index
