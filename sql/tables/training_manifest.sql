-- What the joint embedding learns from: one row a usable video, with the version of its pairs.
CREATE TABLE training_manifest (
    video_id VARCHAR NOT NULL, -- the source's id of the video
    shard VARCHAR NOT NULL, -- shard that holds its pairs
    split VARCHAR NOT NULL CHECK (split IN ('train', 'validation', 'test')), -- split, by video
    first_row BIGINT NOT NULL, -- first row of its pairs in the shard's array
    pairs BIGINT NOT NULL CHECK (pairs >= 1), -- clip-caption pairs
    pairs_version VARCHAR NOT NULL, -- content hash of its pairs
    PRIMARY KEY (video_id)
);
