-- Raw videos of the benchmarks, and what became of them; empty where the features are those of published files.
CREATE TABLE benchmark_videos (
    benchmark VARCHAR NOT NULL, -- which one asks for the video
    split VARCHAR NOT NULL, -- which part of it
    video_id VARCHAR NOT NULL, -- the name of its file, without the ending
    clips BIGINT NOT NULL, -- clips that lie in it; 0 where it is asked for as a whole, second by second
    left_out BIGINT NOT NULL, -- clips that have no vector
    status VARCHAR NOT NULL, -- ok, missing or failed
    error VARCHAR, -- what is wrong with it
    CHECK (status IN ('ok', 'missing', 'failed')),
    CHECK (left_out BETWEEN 0 AND clips),
    PRIMARY KEY (benchmark, split, video_id)
);
