-- Words per caption, with and without stop words; the mean of HowTo100M is 4 without. Reads all caption text.
SELECT
    'mean of a caption' AS item,
    avg(word_count) AS words,
    avg(if(caption_clean = '', 0, len(string_split(caption_clean, ' ')))) AS words_without_stop_words,
    avg(if(caption_clean = '', 1, 0)) AS share_of_stop_words_alone
FROM clips
