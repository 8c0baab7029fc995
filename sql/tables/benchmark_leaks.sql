-- Videos of the lake that show what an evaluation video of a benchmark shows, by perceptual hashes of their pictures.
CREATE TABLE benchmark_leaks (
    video_id VARCHAR NOT NULL, -- video id of the source
    benchmark VARCHAR NOT NULL, -- first benchmark that uses the other video
    benchmark_video VARCHAR NOT NULL, -- the most similar evaluation video: the name of its file, without the suffix
    similarity DOUBLE NOT NULL CHECK (similarity BETWEEN 0 AND 1), -- share of the seconds that match beyond chance
    threshold DOUBLE NOT NULL, -- similarity from which they are the same; chance: what matches at other shifts
    mirrored BOOLEAN NOT NULL, -- whether the pictures are mirrored
    shift_s DOUBLE NOT NULL, -- seconds by which the lake's video is late; negative if it begins later in the other one
    reason VARCHAR NOT NULL, -- what was found, in words, with the part of the pictures that matches
    PRIMARY KEY (video_id)
);
-- from frame_statistics: similarity = picture_hash, similarity = centre_90_hash, similarity = centre_80_hash
-- from frame_statistics: similarity = upper_hash, similarity = lower_hash, similarity = edge_hash
-- from benchmark_frames: similarity = picture_hash, similarity = centre_90_hash, similarity = centre_80_hash
-- from benchmark_frames: similarity = upper_hash, similarity = lower_hash, similarity = edge_hash
-- from benchmark_references: benchmark, benchmark_video = video_id
-- from candidate_videos: video_id
