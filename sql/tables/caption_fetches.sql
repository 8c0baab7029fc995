-- One row a candidate video: what came of fetching its captions.
CREATE TABLE caption_fetches (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- the source's id of the video
    status VARCHAR NOT NULL CHECK (status IN ('ok', 'no_captions', 'failed')), -- outcome
    source VARCHAR CHECK (source IN ('manual', 'asr', 'translated')), -- which kind of track it was
    language VARCHAR, -- language code of the track
    word_count BIGINT NOT NULL, -- words in the track, 0 without one
    fetched_at TIMESTAMPTZ NOT NULL, -- when it was fetched (UTC)
    error VARCHAR, -- what went wrong, where something did
    PRIMARY KEY (shard, video_id)
);
