-- Re-uploads: candidate videos with nearly the same captions as a better-ranked video.
CREATE TABLE video_duplicates (
    video_id VARCHAR NOT NULL, -- video id of the re-upload
    duplicate_of VARCHAR NOT NULL, -- video id of the video that is kept
    similarity DOUBLE NOT NULL CHECK (similarity BETWEEN 0 AND 1), -- Jaccard similarity of their shingles
    PRIMARY KEY (video_id)
);
-- from candidate_videos: video_id, duplicate_of = video_id
-- from captions: similarity = text
