-- Light, sharpness, motion and perceptual hashes of each second of the videos that can be decoded.
CREATE TABLE frame_statistics (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- video id of the source
    second BIGINT NOT NULL, -- second of the video, from 0; seconds without a frame have no row
    brightness DOUBLE NOT NULL CHECK (brightness BETWEEN 0 AND 1), -- mean luma of its first frame, 0 (black) to 1
    sharpness DOUBLE NOT NULL, -- variance of the Laplacian of that frame at 256 × 144 pixels; low if it is blurred
    motion DOUBLE NOT NULL CHECK (motion BETWEEN 0 AND 1), -- mean change of colours to the next second, 0 to 1
    picture_hash BIGINT, -- signs of the 63 lowest frequencies of that frame; NULL if it is plain
    centre_90_hash BIGINT, -- the same of the central 90 % of its width and height
    centre_80_hash BIGINT, -- the same of the central 80 % of its width and height
    upper_hash BIGINT, -- the same of its upper 80 %
    lower_hash BIGINT, -- the same of its lower 80 %
    edge_hash BIGINT, -- the same of where the frame has edges; NULL if it has few
    measured_from VARCHAR NOT NULL, -- hash of the file and of the code that measured it
    PRIMARY KEY (shard, video_id, second)
);
-- from video_files: shard, video_id, measured_from = sha256
