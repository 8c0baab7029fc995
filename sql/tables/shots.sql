-- Shots of each video that can be decoded. Together they cover it; a dissolve or fade is split at its middle.
CREATE TABLE shots (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- video id of the source
    shot_index BIGINT NOT NULL, -- position of the shot in its video, from 0
    start_s DOUBLE NOT NULL CHECK (start_s >= 0), -- start of the shot, seconds from the start of the video
    end_s DOUBLE NOT NULL, -- end of the shot (exclusive), seconds from the start of the video
    transition VARCHAR, -- how the shot begins: cut, dissolve or fade; NULL for the first one
    transition_s DOUBLE, -- length of that transition in seconds, 0 for a cut; NULL for the first one
    measured_from VARCHAR NOT NULL, -- hash of the file and of the code that measured it
    CHECK (end_s > start_s),
    CHECK (transition IN ('cut', 'dissolve', 'fade')),
    CHECK ((transition IS NULL) = (transition_s IS NULL)),
    PRIMARY KEY (shard, video_id, shot_index)
);
-- from video_files: shard, video_id, measured_from = sha256
