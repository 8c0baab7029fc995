-- The rows of each video in the feature arrays of the text-video model, if it has a network of its own.
CREATE TABLE text_video_index (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- video id of the source
    stream VARCHAR NOT NULL, -- feature stream: the network that computed the rows
    first_row BIGINT, -- first row in the array of the shard
    rows BIGINT NOT NULL, -- number of rows, one per time step
    rate_hz DOUBLE NOT NULL, -- feature rate, rows per second of video
    dim BIGINT NOT NULL, -- dimension of a feature row
    extractor VARCHAR NOT NULL, -- fingerprint of the weights and of the preprocessing
    content_hash VARCHAR, -- SHA-256 of the rows
    status VARCHAR NOT NULL CHECK (status IN ('ok', 'failed')), -- outcome
    error VARCHAR, -- error message; NULL if there is none
    CHECK ((status = 'ok') = (error IS NULL)),
    PRIMARY KEY (shard, video_id, stream)
);
-- from video_files: shard, video_id
