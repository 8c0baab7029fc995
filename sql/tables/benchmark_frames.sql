-- Perceptual hashes of each second of the benchmarks' evaluation videos, as those of frame_statistics.
CREATE TABLE benchmark_frames (
    video_id VARCHAR NOT NULL, -- name of the file, without the suffix
    second BIGINT NOT NULL, -- second of the video, from 0; seconds without a frame have no row
    picture_hash BIGINT, -- signs of the 63 lowest frequencies of its first frame; NULL if it is plain
    centre_90_hash BIGINT, -- the same of the central 90 % of its width and height
    centre_80_hash BIGINT, -- the same of the central 80 % of its width and height
    upper_hash BIGINT, -- the same of its upper 80 %
    lower_hash BIGINT, -- the same of its lower 80 %
    edge_hash BIGINT, -- the same of where the frame has edges; NULL if it has few
    measured_from VARCHAR NOT NULL, -- hash of the file and of the code that measured it
    PRIMARY KEY (video_id, second)
);
