-- What the joint embedding learns from: one row a usable video, with versions of its clips and features.
CREATE TABLE training_manifest (
    video_id VARCHAR NOT NULL, -- the source's id of the video
    shard VARCHAR NOT NULL, -- shard that holds its clips and features
    split VARCHAR NOT NULL CHECK (split IN ('train', 'validation', 'test')), -- split, by video
    clips BIGINT NOT NULL CHECK (clips >= 1), -- clip-caption pairs
    feature_rows BIGINT NOT NULL CHECK (feature_rows >= 1), -- rows of features
    clips_version VARCHAR NOT NULL, -- content hash of its clips
    features_version VARCHAR NOT NULL, -- content hash of its features
    PRIMARY KEY (video_id)
);
