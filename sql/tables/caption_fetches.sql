-- Outcome of fetching captions, one row per candidate video, over all runs.
CREATE TABLE caption_fetches (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- video id of the source
    status VARCHAR NOT NULL, -- outcome; blocked and retry are requested again, the others are final
    source VARCHAR, -- kind of caption track, or the follow-up release that it is from
    language VARCHAR, -- language code of the caption track
    language_probability DOUBLE, -- confidence of the language, 0 to 1; NULL if it was not measured
    word_count BIGINT NOT NULL, -- words in the caption track; 0 if there is none
    attempts BIGINT NOT NULL, -- number of requests; 0 if the source refused all requests before this one
    fetched_at TIMESTAMPTZ NOT NULL, -- time of the last request (UTC)
    next_try_at TIMESTAMPTZ, -- time of the next attempt (UTC); NULL if none is planned
    error VARCHAR, -- error message, or the cues of a usable track that were left out
    CHECK ((status IN ('blocked', 'retry')) = (next_try_at IS NOT NULL)),
    CHECK (
        source IN (
            'manual', 'asr', 'translated', 'whisper', 'htm_whisperx', 'htm_sentences', 'htm_aa', 'howtocaption',
            'howtocaption_grounded', 'howtostep', 'vidchapters', 'rewritten'
        )
    ),
    CHECK (status IN ('ok', 'no_captions', 'disabled', 'unavailable', 'age_restricted', 'failed', 'blocked', 'retry')),
    PRIMARY KEY (shard, video_id)
);
-- from candidate_videos: video_id
