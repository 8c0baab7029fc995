-- Captions that a language model wrote from the narration, at the second at which it expects them.
CREATE TABLE rewritten_captions (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- video id of the source
    line_index BIGINT NOT NULL, -- position of the caption in its video, by block and place in the answer, from 0
    block_index BIGINT NOT NULL, -- block that the caption was written from
    second_s BIGINT NOT NULL CHECK (second_s >= 0), -- second at which the model expects the caption to be visible
    text VARCHAR NOT NULL, -- text of the caption
    model VARCHAR NOT NULL, -- language model, as the server names it
    request VARCHAR NOT NULL, -- SHA-256 of the request that it answers
    PRIMARY KEY (shard, video_id, line_index)
);
-- from rewriting_blocks: shard, video_id, block_index, model, request
