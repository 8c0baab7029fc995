-- The source of transactions as it stands: a change of version makes everything read from it out of date.
CREATE TABLE retail_source (
    source VARCHAR NOT NULL, -- the source; simulated data says so here
    version VARCHAR NOT NULL, -- hash that changes exactly when the source's rows may change
    listed_at TIMESTAMPTZ NOT NULL, -- when it was looked at (UTC)
    PRIMARY KEY (source)
);
