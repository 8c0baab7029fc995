-- Entries of the source that were set aside, each with its reason.
CREATE TABLE source_problems (
    source VARCHAR NOT NULL, -- the source
    name VARCHAR NOT NULL, -- the entry, as the source names it
    problem VARCHAR NOT NULL, -- what is wrong with it
    PRIMARY KEY (source, name, problem)
);
