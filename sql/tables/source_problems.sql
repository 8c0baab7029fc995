-- Entries of the source that were left out, each with its reason.
CREATE TABLE source_problems (
    source VARCHAR NOT NULL, -- name of the source
    name VARCHAR NOT NULL, -- name of the entry in the source
    problem VARCHAR NOT NULL, -- what is wrong with the entry
    PRIMARY KEY (source, name, problem)
);
