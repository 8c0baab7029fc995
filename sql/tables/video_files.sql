-- Video files, one row per video of the data set; without a file, the reason.
CREATE TABLE video_files (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- video id of the source
    uri VARCHAR, -- path of the file: relative to the media folder, or absolute if it is elsewhere
    bytes BIGINT, -- size of the file in bytes
    sha256 VARCHAR, -- SHA-256 of the file
    width BIGINT, -- width of the picture in pixels
    height BIGINT, -- height of the picture in pixels
    frame_rate DOUBLE, -- average frame rate, frames per second
    duration_s DOUBLE, -- length in seconds, from the container
    status VARCHAR NOT NULL, -- outcome; blocked and retry are requested again, the others are final
    attempts BIGINT NOT NULL, -- number of requests for a file that is missing; 1 if the file exists
    next_try_at TIMESTAMPTZ, -- time of the next attempt (UTC); NULL if none is planned
    error VARCHAR, -- error message; NULL if there is none
    CHECK ((status = 'ok') = (error IS NULL)),
    CHECK (status IN ('ok', 'unavailable', 'age_restricted', 'failed', 'blocked', 'retry')),
    PRIMARY KEY (shard, video_id)
);
-- from videos: video_id
