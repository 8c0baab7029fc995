-- Search answers: the first results for "how to <task>", in the order of the search engine.
CREATE TABLE search_results (
    category_1 VARCHAR NOT NULL, -- top category of the task
    task_id VARCHAR NOT NULL, -- task that was searched for
    rank BIGINT NOT NULL CHECK (rank >= 1), -- position in the answer, from 1
    video_id VARCHAR NOT NULL, -- the source's id of the video
    title VARCHAR NOT NULL, -- title of the video
    channel VARCHAR, -- channel of the video, where known
    duration_s DOUBLE, -- length in seconds; NULL is unknown, not zero
    view_count BIGINT, -- views; NULL is unknown, not zero
    query VARCHAR NOT NULL, -- what was searched for
    source VARCHAR NOT NULL, -- where the row comes from; "synthetic" is generated data
    searched_at TIMESTAMPTZ NOT NULL, -- when the search ran (UTC)
    PRIMARY KEY (category_1, task_id, rank)
);
