-- Whether videos of the data set can still be watched: one row per video of each survey, which probes a random sample.
CREATE TABLE availability (
    survey BIGINT NOT NULL CHECK (survey >= 1), -- number of the survey, from 1
    video_id VARCHAR NOT NULL, -- video id of the source
    checked_at TIMESTAMPTZ NOT NULL, -- time of the probe (UTC)
    state VARCHAR NOT NULL, -- what the source answered; unanswered if the answer does not concern the video
    next_try_at TIMESTAMPTZ, -- time of the next attempt (UTC); NULL if none is planned
    error VARCHAR, -- what the source said of a video that is not available; NULL if it is
    CHECK (state IN ('available', 'removed', 'private', 'age_restricted', 'region_blocked', 'unanswered')),
    PRIMARY KEY (survey, video_id)
);
-- from videos: video_id
