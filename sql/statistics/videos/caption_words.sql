-- Distribution of caption lengths in words, stop words included.
WITH counted AS (
    SELECT
        least(word_count, 30) AS words,
        count(*) AS clips
    FROM clips
    GROUP BY ALL
)

SELECT
    if(words < 30, words || ' words', '30 words and more') AS item,
    sum(clips) AS clips,
    sum(clips) / sum(sum(clips)) OVER () AS share
FROM counted
GROUP BY words
ORDER BY words
