-- Rewritten captions at the time at which the text-video model finds them; those that match too little are not kept.
CREATE TABLE rewritten_clips (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- video id of the source
    line_index BIGINT NOT NULL, -- caption, as in the table rewritten_captions
    start_s DOUBLE, -- start of the clip, seconds from the start of the video; NULL if no clip was compared
    end_s DOUBLE, -- end of the clip, seconds from the start of the video; NULL if no clip was compared
    text VARCHAR NOT NULL, -- text of the caption
    shift_s DOUBLE, -- how much later the clip is than the language model expects, in seconds
    score DOUBLE, -- similarity of caption and clip by the text-video model; a cosine for most models
    block_index BIGINT NOT NULL, -- block that the caption was written from
    model VARCHAR NOT NULL, -- language model
    request VARCHAR NOT NULL, -- SHA-256 of the request that it answers
    kept BOOLEAN NOT NULL, -- whether the caption matches its clip well enough
    reason VARCHAR, -- why it is not kept; NULL if it is
    CHECK (kept = (reason IS NULL)),
    CHECK (end_s > start_s),
    PRIMARY KEY (shard, video_id, line_index)
);
-- from rewritten_captions: shard, video_id, line_index, text, block_index, model, request, start_s = second_s
