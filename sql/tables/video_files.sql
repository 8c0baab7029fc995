-- One row a video of the data set: its file, or why there is none.
CREATE TABLE video_files (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- the source's id of the video
    uri VARCHAR, -- the file: relative to the media root, or absolute where it lies elsewhere
    bytes BIGINT, -- size of the file
    sha256 VARCHAR, -- checksum of the file
    width BIGINT, -- picture width, pixels
    height BIGINT, -- picture height, pixels
    frame_rate DOUBLE, -- average frames per second
    duration_s DOUBLE, -- length in seconds as the container tells it
    status VARCHAR NOT NULL, -- outcome; blocked and retry are asked for again, the others are final
    attempts BIGINT NOT NULL, -- how often a file was asked for that is not there; 1 where it is
    next_try_at TIMESTAMPTZ, -- from when it is asked for again (UTC)
    error VARCHAR, -- what is wrong with it, where something is
    CHECK ((status = 'ok') = (error IS NULL)),
    CHECK (status IN ('ok', 'unavailable', 'age_restricted', 'failed', 'blocked', 'retry')),
    PRIMARY KEY (shard, video_id)
);
