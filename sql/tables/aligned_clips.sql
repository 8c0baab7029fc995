-- Where each caption is seen: its best-matching window near the time at which it is spoken, by the joint embedding.
CREATE TABLE aligned_clips (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- the source's id of the video
    clip_index BIGINT NOT NULL, -- clip whose caption it is, as in the table clips
    start_s DOUBLE NOT NULL, -- start of the window, seconds from the start of the video
    end_s DOUBLE NOT NULL, -- end of the window, seconds from the start of the video
    shift_s DOUBLE NOT NULL, -- how much later than the caption the window is; below 0 for earlier
    score DOUBLE NOT NULL CHECK (score BETWEEN -1.001 AND 1.001), -- cosine of window and caption, up to rounding
    CHECK (end_s > start_s),
    PRIMARY KEY (shard, video_id, clip_index)
);
