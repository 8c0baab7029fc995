-- Licences of the videos of the data set.
SELECT
    coalesce(license, 'unknown') AS item,
    count(*) AS videos,
    count(*) / sum(count(*)) OVER () AS share_of_videos
FROM videos
WHERE kept
GROUP BY item
ORDER BY videos DESC, item
