-- Evaluation videos of benchmarks, from the configured lists. The data set must not contain them.
CREATE TABLE evaluation_videos (
    video_id VARCHAR NOT NULL, -- video id of the source
    benchmark VARCHAR NOT NULL, -- benchmark that uses the video for evaluation
    PRIMARY KEY (video_id)
);
