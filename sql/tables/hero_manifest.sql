-- Training data of HERO: one row per clip, with its split and content hash.
CREATE TABLE hero_manifest (
    clip_id VARCHAR NOT NULL, -- video id, a period and the number of the clip in the video
    video_id VARCHAR NOT NULL, -- video id of the source
    shard VARCHAR NOT NULL, -- shard that contains the clip
    split VARCHAR NOT NULL CHECK (split IN ('train', 'validation', 'test')), -- split of the video
    array_row BIGINT NOT NULL, -- row in the array of the shard
    content_hash VARCHAR NOT NULL, -- SHA-256 of the features and subtitles (first 16 digits)
    PRIMARY KEY (clip_id)
);
-- from hero_clips: clip_id, video_id, shard, split = video_id, array_row, content_hash
