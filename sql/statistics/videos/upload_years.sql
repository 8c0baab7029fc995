-- Years in which the videos of the data set were uploaded.
SELECT
    coalesce(year(upload_date)::VARCHAR, 'unknown') AS item,
    count(*) AS videos,
    count(*) / sum(count(*)) OVER () AS share_of_videos
FROM videos
WHERE kept
GROUP BY item
ORDER BY item
