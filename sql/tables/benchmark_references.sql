-- Evaluation videos of the benchmarks, and whether the videos of the lake can be compared with their pictures.
CREATE TABLE benchmark_references (
    benchmark VARCHAR NOT NULL, -- benchmark that uses the video
    split VARCHAR NOT NULL, -- split of the benchmark; those for training are no evaluation videos
    video_id VARCHAR NOT NULL, -- name of the file, without the suffix
    status VARCHAR NOT NULL, -- ok (it is compared), missing, failed, or too_few_pictures
    reason VARCHAR, -- why it is not compared; NULL if it is
    CHECK (status IN ('ok', 'missing', 'failed', 'too_few_pictures')),
    CHECK ((status = 'ok') = (reason IS NULL)),
    PRIMARY KEY (benchmark, split, video_id)
);
