-- The source of videos as it stands: a change of version makes everything read from it out of date.
CREATE TABLE video_source (
    source VARCHAR NOT NULL, -- the source; "synthetic" is generated data
    version VARCHAR NOT NULL, -- hash that changes exactly when the source's answers may change
    listed_at TIMESTAMPTZ NOT NULL, -- when it was looked at (UTC)
    PRIMARY KEY (source)
);
