-- The follow-up releases that are read: captions that others published for videos of HowTo100M or YouTube.
CREATE TABLE caption_releases (
    caption_source VARCHAR NOT NULL, -- name of the release
    path VARCHAR NOT NULL, -- its file or folder, without the folders above
    videos BIGINT NOT NULL CHECK (videos >= 0), -- videos that the release names
    lines BIGINT NOT NULL CHECK (lines >= 0), -- captions that can be used
    set_aside BIGINT NOT NULL CHECK (set_aside >= 0), -- entries that cannot be used; see release_problems
    PRIMARY KEY (caption_source)
);
