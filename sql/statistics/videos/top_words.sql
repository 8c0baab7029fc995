-- The most frequent spoken words, without stop words. Reads all caption text.
SELECT
    lower(word) AS item,
    count(*) AS times
FROM (SELECT unnest(string_split(caption_clean, ' ')) AS word FROM clips) AS spoken
WHERE word <> ''
GROUP BY item
ORDER BY times DESC, item
LIMIT 50
