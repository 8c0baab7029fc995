-- Re-uploads: candidate videos whose captions say what those of a better-ranked one say.
CREATE TABLE video_duplicates (
    video_id VARCHAR NOT NULL, -- the source's id of the re-upload
    duplicate_of VARCHAR NOT NULL, -- the video that stays
    similarity DOUBLE NOT NULL CHECK (similarity BETWEEN 0 AND 1), -- Jaccard similarity of their sets of shingles
    PRIMARY KEY (video_id)
);
