-- Clip-caption pairs: each caption line of a kept video with the stretch of video that it is spoken over.
CREATE TABLE clips (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- the source's id of the video
    clip_index BIGINT NOT NULL, -- position of the clip in its video, from 0
    start_s DOUBLE NOT NULL CHECK (start_s >= 0), -- start of the clip, seconds from the start of the video
    end_s DOUBLE NOT NULL, -- end of the clip (exclusive), seconds from the start of the video
    caption VARCHAR NOT NULL, -- the caption line as spoken
    caption_clean VARCHAR NOT NULL, -- the caption without English stop words; may be empty
    word_count BIGINT NOT NULL CHECK (word_count >= 1), -- words of the caption
    CHECK (end_s > start_s),
    PRIMARY KEY (shard, video_id, clip_index)
);
