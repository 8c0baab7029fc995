-- Words of a caption as spoken and without stop words; HowTo100M has a mean of 4 without. A scan of all caption text.
SELECT
    'mean of a caption' AS item,
    avg(word_count) AS words,
    avg(if(caption_clean = '', 0, len(string_split(caption_clean, ' ')))) AS words_without_stop_words,
    avg(if(caption_clean = '', 1, 0)) AS share_of_stop_words_alone
FROM clips
