-- Videos of benchmarks that the data set must not hold, from the lists that the settings name.
CREATE TABLE evaluation_videos (
    video_id VARCHAR NOT NULL, -- the source's id of the video
    benchmark VARCHAR NOT NULL, -- benchmark that it evaluates
    PRIMARY KEY (video_id)
);
