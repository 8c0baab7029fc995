-- Clip-caption pairs: each caption line, or sentence, of a kept video with the stretch of video that it is spoken over.
CREATE TABLE clips (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- the source's id of the video
    clip_index BIGINT NOT NULL, -- position of the clip in its video, from 0
    start_s DOUBLE NOT NULL CHECK (start_s >= 0), -- start of the clip, seconds from the start of the video
    end_s DOUBLE NOT NULL, -- end of the clip (exclusive), seconds from the start of the video
    caption VARCHAR NOT NULL, -- what is said, without sound tags and speaker marks
    caption_clean VARCHAR NOT NULL, -- the caption without English stop words; may be empty
    word_count BIGINT NOT NULL CHECK (word_count >= 1), -- words of the caption
    word_starts_s DOUBLE[], -- when each word of the caption, split at blanks, is said (seconds); NULL: not told
    sentence_index BIGINT, -- sentence of the video that the clip begins in, from 0; NULL where clips are caption lines
    caption_source VARCHAR, -- kind of track: manual, asr, translated or whisper; NULL where the source does not say
    language VARCHAR, -- language code of the track
    language_probability DOUBLE, -- how sure that language is, from 0 to 1; NULL where nothing measured it
    CHECK (end_s > start_s),
    PRIMARY KEY (shard, video_id, clip_index)
);
