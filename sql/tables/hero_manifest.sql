-- What HERO learns from: one row a clip, with its split and the version of its content.
CREATE TABLE hero_manifest (
    clip_id VARCHAR NOT NULL, -- the video's id, a dot and the number of the cut
    video_id VARCHAR NOT NULL, -- the source's id of the video
    shard VARCHAR NOT NULL, -- shard that holds it
    split VARCHAR NOT NULL CHECK (split IN ('train', 'validation', 'test')), -- split, by video
    array_row BIGINT NOT NULL, -- row in the shard's array
    content_hash VARCHAR NOT NULL, -- SHA-256 of its features and subtitles
    PRIMARY KEY (clip_id)
);
