-- Training data of the joint embedding: one row per usable video, with the content hash of its pairs.
CREATE TABLE training_manifest (
    video_id VARCHAR NOT NULL, -- video id of the source
    shard VARCHAR NOT NULL, -- shard that contains the pairs of the video
    split VARCHAR NOT NULL CHECK (split IN ('train', 'validation', 'test')), -- split of the video
    first_row BIGINT NOT NULL, -- first row of the pairs in the array of the shard
    pairs BIGINT NOT NULL CHECK (pairs >= 1), -- number of clip-caption pairs
    pairs_version VARCHAR NOT NULL, -- content hash of the pairs
    PRIMARY KEY (video_id)
);
-- from pair_index: video_id, shard, split = video_id, first_row, pairs, pairs_version = content_hash
