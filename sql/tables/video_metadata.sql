-- Metadata that search results do not contain, one row per candidate video.
CREATE TABLE video_metadata (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- video id of the source
    status VARCHAR NOT NULL, -- outcome; blocked and retry are requested again, the others are final
    title VARCHAR, -- title of the video
    channel_id VARCHAR, -- channel id of the source
    duration_s DOUBLE, -- length in seconds
    view_count BIGINT, -- number of views
    license VARCHAR, -- code of the licence, e.g. cc-by or youtube, else the words of the source; NULL if unknown
    upload_date DATE, -- day of the upload (UTC); NULL if unknown
    availability VARCHAR, -- who can watch the video, e.g. public or unlisted, when it was fetched; NULL if unknown
    language VARCHAR, -- language code of the speech; NULL if unknown
    description VARCHAR, -- description of the video
    keywords VARCHAR[] NOT NULL, -- keywords of the video
    manual_captions VARCHAR[] NOT NULL, -- language codes of the captions written by people
    asr_captions VARCHAR[] NOT NULL, -- language codes of the captions by speech recognition
    attempts BIGINT NOT NULL, -- number of requests; 0 if the source refused all requests before this one
    fetched_at TIMESTAMPTZ NOT NULL, -- time of the last request (UTC)
    next_try_at TIMESTAMPTZ, -- time of the next attempt (UTC); NULL if none is planned
    error VARCHAR, -- error message; NULL if there is none
    CHECK (status IN ('ok', 'unavailable', 'age_restricted', 'failed', 'blocked', 'retry')),
    PRIMARY KEY (shard, video_id)
);
-- from candidate_videos: video_id
