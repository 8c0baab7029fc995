-- Current version of the transactions' source. When it changes, all assets downstream are out of date.
CREATE TABLE retail_source (
    source VARCHAR NOT NULL, -- name of the source; the name of simulated data says so
    version VARCHAR NOT NULL, -- hash that changes when the rows of the source may change
    listed_at TIMESTAMPTZ NOT NULL, -- time of the check (UTC)
    PRIMARY KEY (source)
);
