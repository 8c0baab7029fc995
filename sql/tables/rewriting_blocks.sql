-- Blocks of narration that a language model rewrites to captions: outcome, tokens and cost of each request.
CREATE TABLE rewriting_blocks (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- video id of the source
    block_index BIGINT NOT NULL, -- position of the block in its video, from 0
    first_clip BIGINT NOT NULL, -- first clip whose caption is in the block
    last_clip BIGINT NOT NULL, -- last clip whose caption is in the block
    start_s DOUBLE NOT NULL, -- start of the block, seconds from the start of the video
    end_s DOUBLE NOT NULL, -- end of the block, seconds from the start of the video
    words BIGINT NOT NULL CHECK (words >= 1), -- words of the block
    model VARCHAR NOT NULL, -- language model, as the server names it
    request VARCHAR NOT NULL, -- SHA-256 of model, settings, instruction and block
    captions BIGINT NOT NULL CHECK (captions >= 0), -- captions in the answer that can be used
    set_aside BIGINT NOT NULL CHECK (set_aside >= 0), -- parts of the answer that are no caption
    tokens_in BIGINT, -- tokens that the model read; NULL if the server does not count
    tokens_out BIGINT, -- tokens that the model wrote; NULL if the server does not count
    cost DOUBLE, -- price of these tokens by HOWTO_REWRITING_PRICE_IN and _OUT; NULL if the server does not count
    error VARCHAR, -- why there is no answer, or the first part of it that was set aside; NULL if there is none
    PRIMARY KEY (shard, video_id, block_index)
);
-- from clips: shard, video_id, first_clip = clip_index, last_clip = clip_index, start_s, end_s, words = caption
