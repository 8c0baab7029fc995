-- Distribution of clip-caption pairs per video; the mean of HowTo100M is 110.
WITH of_video AS (
    SELECT count(*) AS clips
    FROM clips
    GROUP BY video_id
),

counted AS (
    SELECT
        least(clips // 20 * 20, 500) AS clips_from,
        count(*) AS videos
    FROM of_video
    GROUP BY clips_from
)

SELECT
    if(clips_from < 500, format('{:d} to {:d}', clips_from, clips_from + 19), '500 and more') AS item,
    sum(videos) AS videos,
    sum(videos) / sum(sum(videos)) OVER () AS share
FROM counted
GROUP BY clips_from
ORDER BY clips_from
