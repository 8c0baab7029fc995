-- Which rows of the feature arrays belong to which video, and by which network they were made.
CREATE TABLE feature_index (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- the source's id of the video
    stream VARCHAR NOT NULL, -- network whose rows these are
    first_row BIGINT, -- first row in the shard's array
    rows BIGINT NOT NULL, -- number of rows, one a time step
    rate_hz DOUBLE NOT NULL, -- rows per second of video
    dim BIGINT NOT NULL, -- numbers in a row
    extractor VARCHAR NOT NULL, -- fingerprint of weights and preprocessing
    content_hash VARCHAR, -- SHA-256 of the rows
    status VARCHAR NOT NULL CHECK (status IN ('ok', 'failed')), -- outcome
    error VARCHAR, -- what went wrong, where something did
    CHECK ((status = 'ok') = (error IS NULL)),
    PRIMARY KEY (shard, video_id, stream)
);
