-- Clips for HERO: each video is cut into minutes; frames and subtitles are in the arrays of hero_frames.
CREATE TABLE hero_clips (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    clip_id VARCHAR NOT NULL, -- video id, a period and the number of the clip in the video
    video_id VARCHAR NOT NULL, -- video id of the source
    start_s DOUBLE NOT NULL CHECK (start_s >= 0), -- start of the clip, seconds from the start of the video
    end_s DOUBLE NOT NULL, -- end of the last frame, seconds from the start of the video
    frames BIGINT NOT NULL, -- number of frames, at the configured interval
    subtitles BIGINT NOT NULL, -- number of caption lines that begin in the clip
    array_row BIGINT, -- row in the array of the shard
    content_hash VARCHAR, -- SHA-256 of the features and subtitles (first 16 digits)
    reason VARCHAR, -- why the video has no clip; NULL if it has one
    CHECK ((frames = 0) = (reason IS NOT NULL)),
    PRIMARY KEY (shard, clip_id)
);
-- from clips: shard, clip_id = video_id, video_id, subtitles = start_s
