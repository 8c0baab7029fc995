-- Clips as HERO reads them: a video cut every minute, with its frames and subtitles in the arrays of hero_frames.
CREATE TABLE hero_clips (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    clip_id VARCHAR NOT NULL, -- the video's id, a dot and the number of the cut
    video_id VARCHAR NOT NULL, -- the source's id of the video
    start_s DOUBLE NOT NULL CHECK (start_s >= 0), -- start of the cut, seconds from the start of the video
    end_s DOUBLE NOT NULL, -- end of its last frame, seconds from the start of the video
    frames BIGINT NOT NULL, -- frames, one every few seconds as set
    subtitles BIGINT NOT NULL, -- caption lines that begin in it
    array_row BIGINT, -- row in the shard's array
    content_hash VARCHAR, -- SHA-256 of its features and subtitles
    reason VARCHAR, -- why the video has no clip, where it has none
    CHECK ((frames = 0) = (reason IS NOT NULL)),
    PRIMARY KEY (shard, clip_id)
);
