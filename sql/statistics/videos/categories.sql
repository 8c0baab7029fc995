-- Tasks, videos, clips and hours of each top category, as in HowTo100M's table of categories.
WITH clips_of_video AS (
    SELECT
        video_id,
        count(*) AS clips,
        sum(end_s - start_s) / 3600 AS clip_hours
    FROM clips
    GROUP BY video_id
)

SELECT
    tasks.category_1 AS item,
    count(DISTINCT tasks.task_id) AS tasks,
    count(videos.video_id) AS videos,
    coalesce(sum(clips_of_video.clips), 0) AS clips,
    coalesce(sum(clips_of_video.clip_hours), 0) AS clip_hours,
    coalesce(sum(videos.duration_s), 0) / 3600 AS video_hours
FROM tasks
LEFT JOIN videos ON tasks.task_id = videos.task_id AND videos.kept
LEFT JOIN clips_of_video ON videos.video_id = clips_of_video.video_id
WHERE tasks.kept
GROUP BY tasks.category_1
ORDER BY clips DESC, item
