-- Which rows of the pair arrays belong to which video: clip-caption pairs as the joint embedding learns from them.
CREATE TABLE pair_index (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- the source's id of the video
    first_row BIGINT NOT NULL, -- first row in the shard's array
    pairs BIGINT NOT NULL, -- number of pairs, one a row
    lines BIGINT NOT NULL, -- clips that they were made from
    without_features BIGINT NOT NULL, -- clips left out because no feature row lies in them
    without_words BIGINT NOT NULL, -- clips left out because their caption has no word
    content_hash VARCHAR NOT NULL, -- SHA-256 of times, captions and vectors
    reason VARCHAR, -- why the video has no pair, where it has none
    CHECK ((pairs = 0) = (reason IS NOT NULL)),
    PRIMARY KEY (shard, video_id)
);
