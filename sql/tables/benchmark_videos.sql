-- Raw videos of the benchmarks and their outcome; empty if the features come from published files.
CREATE TABLE benchmark_videos (
    benchmark VARCHAR NOT NULL, -- benchmark that uses the video
    split VARCHAR NOT NULL, -- split of the benchmark
    video_id VARCHAR NOT NULL, -- name of the file, without the suffix
    clips BIGINT NOT NULL, -- clips of the benchmark in the video; 0 if the benchmark uses every second of it
    left_out BIGINT NOT NULL, -- clips without a feature vector
    status VARCHAR NOT NULL, -- ok, missing or failed
    error VARCHAR, -- error message; NULL if there is none
    CHECK (status IN ('ok', 'missing', 'failed')),
    CHECK (left_out BETWEEN 0 AND clips),
    PRIMARY KEY (benchmark, split, video_id)
);
