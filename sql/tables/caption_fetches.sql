-- One row a candidate video: what came of fetching its captions, over all runs.
CREATE TABLE caption_fetches (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- the source's id of the video
    status VARCHAR NOT NULL, -- outcome; blocked and retry are asked for again, the others are final
    source VARCHAR CHECK (source IN ('manual', 'asr', 'translated', 'whisper')), -- which kind of track it was
    language VARCHAR, -- language code of the track
    language_probability DOUBLE, -- how sure that language is, from 0 to 1; NULL where nothing measured it
    word_count BIGINT NOT NULL, -- words in the track, 0 without one
    attempts BIGINT NOT NULL, -- how often it was asked for; 0 if all requests were refused before
    fetched_at TIMESTAMPTZ NOT NULL, -- when it was last asked for (UTC)
    next_try_at TIMESTAMPTZ, -- from when it is asked for again (UTC)
    error VARCHAR, -- what went wrong, or which cues of a good track were set aside
    CHECK ((status IN ('blocked', 'retry')) = (next_try_at IS NOT NULL)),
    CHECK (status IN ('ok', 'no_captions', 'disabled', 'unavailable', 'age_restricted', 'failed', 'blocked', 'retry')),
    PRIMARY KEY (shard, video_id)
);
