-- The rows of each video in the pair arrays: clip-caption pairs, the training data of the joint embedding.
CREATE TABLE pair_index (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- video id of the source
    first_row BIGINT NOT NULL, -- first row in the array of the shard
    pairs BIGINT NOT NULL, -- number of pairs, one per row
    lines BIGINT NOT NULL, -- number of clips of the video
    without_features BIGINT NOT NULL, -- clips left out because they contain no feature row
    without_words BIGINT NOT NULL, -- clips left out because their caption contains no word
    content_hash VARCHAR NOT NULL, -- SHA-256 of times, captions and vectors (first 16 digits)
    reason VARCHAR, -- why the video has no pair; NULL if it has one
    CHECK ((pairs = 0) = (reason IS NOT NULL)),
    PRIMARY KEY (shard, video_id)
);
-- from clips: shard, video_id, lines = clip_index
