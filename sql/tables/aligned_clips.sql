-- The window of video that shows each caption: the best match of the text-video model near the time of speech.
CREATE TABLE aligned_clips (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- video id of the source
    clip_index BIGINT NOT NULL, -- clip that the caption belongs to, as in the table clips
    start_s DOUBLE NOT NULL, -- start of the window, seconds from the start of the video
    end_s DOUBLE NOT NULL, -- end of the window, seconds from the start of the video
    shift_s DOUBLE NOT NULL, -- shift of the window against the caption in seconds; below 0 if it is earlier
    score DOUBLE NOT NULL CHECK (isfinite(score)), -- dot product of caption and window; the joint embedding: a cosine
    CHECK (end_s > start_s),
    PRIMARY KEY (shard, video_id, clip_index)
);
-- from clips: shard, video_id, clip_index, shift_s = start_s
