-- Current version of the videos' source. When it changes, all assets downstream are out of date.
CREATE TABLE video_source (
    source VARCHAR NOT NULL, -- name of the source; "synthetic" is generated data
    version VARCHAR NOT NULL, -- hash that changes when the results of the source may change
    listed_at TIMESTAMPTZ NOT NULL, -- time of the check (UTC)
    PRIMARY KEY (source)
);
