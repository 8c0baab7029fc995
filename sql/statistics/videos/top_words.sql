-- The words that are spoken most, without stop words. A scan of all caption text.
SELECT
    lower(word) AS item,
    count(*) AS times
FROM (SELECT unnest(string_split(caption_clean, ' ')) AS word FROM clips) AS spoken
WHERE word <> ''
GROUP BY item
ORDER BY times DESC, item
LIMIT 50
