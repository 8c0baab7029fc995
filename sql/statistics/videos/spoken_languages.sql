-- Clips by the language that their captions are in, as a classifier reads it.
SELECT
    coalesce(spoken_language, 'too few words') AS item,
    count(*) AS clips,
    count(*) / sum(count(*)) OVER () AS share
FROM clip_quality
GROUP BY item
ORDER BY clips DESC, item
