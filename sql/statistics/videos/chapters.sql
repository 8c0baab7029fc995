-- Chapters in use by source: how many videos have them, how long they are, and how much speech they cover.
WITH used AS (
    SELECT
        chapters.video_id,
        chapters.source,
        chapters.start_s,
        chapters.end_s
    FROM chapters
    INNER JOIN videos ON chapters.video_id = videos.video_id
    WHERE chapters.kept AND videos.kept
),

spoken AS (
    SELECT
        used.source,
        count(*) AS clips
    FROM clips
    INNER JOIN used
        ON clips.video_id = used.video_id AND clips.start_s >= used.start_s AND clips.start_s < used.end_s
    GROUP BY used.source
)

SELECT
    used.source AS item,
    count(DISTINCT used.video_id) AS videos,
    count(*) AS chapters,
    count(*) / count(DISTINCT used.video_id) AS chapters_per_video,
    avg(used.end_s - used.start_s) AS mean_chapter_s,
    median(used.end_s - used.start_s) AS median_chapter_s,
    coalesce(any_value(spoken.clips), 0) AS clips,
    coalesce(any_value(spoken.clips), 0) / count(*) AS clips_per_chapter
FROM used
LEFT JOIN spoken ON used.source = spoken.source
GROUP BY used.source
ORDER BY chapters DESC, item
