-- One row a candidate video: what search results do not say of it.
CREATE TABLE video_metadata (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- the source's id of the video
    status VARCHAR NOT NULL, -- outcome; blocked and retry are asked for again, the others are final
    title VARCHAR, -- title of the video
    channel_id VARCHAR, -- the source's id of the channel
    duration_s DOUBLE, -- length in seconds
    view_count BIGINT, -- views
    language VARCHAR, -- code of the spoken language, where the source tells it
    description VARCHAR, -- description of the video
    keywords VARCHAR[] NOT NULL, -- keywords of the video
    manual_captions VARCHAR[] NOT NULL, -- language codes of the captions that people wrote
    asr_captions VARCHAR[] NOT NULL, -- language codes of the captions of speech recognition
    attempts BIGINT NOT NULL, -- how often it was asked for; 0 if all requests were refused before
    fetched_at TIMESTAMPTZ NOT NULL, -- when it was last asked for (UTC)
    next_try_at TIMESTAMPTZ, -- from when it is asked for again (UTC)
    error VARCHAR, -- what went wrong, where something did
    CHECK (status IN ('ok', 'unavailable', 'age_restricted', 'failed', 'blocked', 'retry')),
    PRIMARY KEY (shard, video_id)
);
