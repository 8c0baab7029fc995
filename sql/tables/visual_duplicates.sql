-- Videos that show what a better-ranked video shows: silent, translated, mirrored, cropped or subtitled re-uploads.
CREATE TABLE visual_duplicates (
    video_id VARCHAR NOT NULL, -- video id of the re-upload
    duplicate_of VARCHAR NOT NULL, -- video id of the better-ranked video with the same pictures
    found_by VARCHAR NOT NULL, -- hashes of the pictures, or vectors of the feature network
    similarity DOUBLE NOT NULL CHECK (similarity BETWEEN 0 AND 1), -- share of the seconds that match beyond chance
    threshold DOUBLE NOT NULL, -- similarity from which they are the same; chance: what matches at other shifts
    mirrored BOOLEAN NOT NULL, -- whether the pictures are mirrored
    shift_s DOUBLE NOT NULL, -- seconds by which the re-upload is late; negative if it begins later in the same video
    reason VARCHAR NOT NULL, -- what was found, in words, with the part of the pictures that matches
    CHECK (found_by IN ('hashes', 'vectors')),
    PRIMARY KEY (video_id)
);
-- from frame_statistics: similarity = picture_hash, similarity = centre_90_hash, similarity = centre_80_hash
-- from frame_statistics: similarity = upper_hash, similarity = lower_hash, similarity = edge_hash, video_id
-- from feature_index: similarity = content_hash
-- from candidate_videos: duplicate_of = video_id
