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
    status VARCHAR NOT NULL CHECK (status IN ('ok', 'failed')), -- outcome
    error VARCHAR, -- what is wrong with it, where something is
    CHECK ((status = 'ok') = (error IS NULL)),
    PRIMARY KEY (shard, video_id)
);
