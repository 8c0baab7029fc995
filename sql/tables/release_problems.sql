-- Entries of the follow-up releases that cannot be used, each with its reason.
CREATE TABLE release_problems (
    caption_source VARCHAR NOT NULL, -- name of the release
    name VARCHAR NOT NULL, -- what cannot be used: the file and the video or the line
    problem VARCHAR NOT NULL, -- why it cannot be used
    PRIMARY KEY (caption_source, name, problem)
);
