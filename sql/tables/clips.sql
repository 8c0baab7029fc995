-- Clip-caption pairs: each caption line or sentence of a kept video, with the part of the video in which it is spoken.
CREATE TABLE clips (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- video id of the source
    clip_index BIGINT NOT NULL, -- position of the clip in its video, from 0
    start_s DOUBLE NOT NULL CHECK (start_s >= 0), -- start of the clip, seconds from the start of the video
    end_s DOUBLE NOT NULL, -- end of the clip (exclusive), seconds from the start of the video
    caption VARCHAR NOT NULL, -- spoken text, without sound tags and speaker marks
    caption_clean VARCHAR NOT NULL, -- caption without English stop words; may be empty
    word_count BIGINT NOT NULL CHECK (word_count >= 1), -- number of words in the caption
    word_starts_s DOUBLE[], -- start of each word of the caption, split at spaces (seconds); NULL if unknown
    sentence_index BIGINT, -- sentence of the video in which the clip begins, from 0; NULL if clips are caption lines
    caption_source VARCHAR, -- kind of caption track, or the release that it is from; NULL if unknown
    language VARCHAR, -- language code of the caption track
    language_probability DOUBLE, -- confidence of the language, 0 to 1; NULL if it was not measured
    CHECK (end_s > start_s),
    PRIMARY KEY (shard, video_id, clip_index)
);
-- from captions: shard, video_id, start_s, end_s, end_s = start_s, caption = text, caption_clean = text
-- from captions: word_count = text, word_starts_s
-- from caption_fetches: caption_source = source, language, language_probability
-- from videos: end_s = duration_s
