-- The size of the data set: the paper's headline numbers for this lake.
SELECT
    'data set' AS item,
    (SELECT count(*) FROM tasks WHERE kept) AS tasks,
    (SELECT count(*) FROM videos WHERE kept) AS videos,
    count(*) AS clips,
    sum(end_s - start_s) / 3600 AS clip_hours,
    (SELECT sum(duration_s) / 3600 FROM video_files WHERE status = 'ok') AS video_hours,
    count(*) / (SELECT count(*) FROM videos WHERE kept) AS clips_per_video,
    avg(end_s - start_s) AS mean_clip_s,
    avg(word_count) AS mean_caption_words
FROM clips
