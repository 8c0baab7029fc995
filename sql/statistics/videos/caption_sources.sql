-- Sources of the candidate videos' captions, or why there are none.
SELECT
    coalesce(source, status) AS item,
    count(*) AS videos,
    sum(word_count) AS words,
    count(*) / sum(count(*)) OVER () AS share_of_videos
FROM caption_fetches
GROUP BY item
ORDER BY videos DESC, item
