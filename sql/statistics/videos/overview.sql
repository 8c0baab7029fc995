-- The size of the data set: the headline numbers of HowTo100M section 3 for this lake.
WITH kept AS (
    SELECT
        count(*) AS videos,
        sum(coalesce(video_files.duration_s, videos.duration_s)) / 3600 AS video_hours
    FROM videos
    LEFT JOIN video_files ON videos.video_id = video_files.video_id
    WHERE videos.kept
)

SELECT
    'data set' AS item,
    (SELECT count(DISTINCT category_1) FROM tasks WHERE kept) AS categories,
    (SELECT count(DISTINCT category_1 || ' > ' || category_2) FROM tasks WHERE kept) AS sub_categories,
    (SELECT count(*) FROM tasks WHERE kept) AS tasks,
    (SELECT videos FROM kept) AS videos,
    count(*) AS clips,
    sum(end_s - start_s) / 3600 AS clip_hours,
    (SELECT video_hours FROM kept) AS video_hours,
    (SELECT video_hours * 60 / videos FROM kept) AS mean_video_minutes,
    count(*) / (SELECT videos FROM kept) AS clips_per_video,
    avg(end_s - start_s) AS mean_clip_s,
    avg(word_count) AS mean_caption_words
FROM clips
