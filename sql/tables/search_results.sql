-- Search results: the first results for "how to <task>", in the order of the search engine.
CREATE TABLE search_results (
    category_1 VARCHAR NOT NULL, -- top category of the task
    task_id VARCHAR NOT NULL, -- task of the search
    rank BIGINT NOT NULL CHECK (rank >= 1), -- position in the search results, from 1
    video_id VARCHAR NOT NULL, -- video id of the source
    title VARCHAR NOT NULL, -- title of the video
    channel VARCHAR, -- channel of the video; NULL if unknown
    duration_s DOUBLE, -- length in seconds; NULL if unknown
    view_count BIGINT, -- number of views; NULL if unknown
    query VARCHAR NOT NULL, -- query that was sent to the search
    source VARCHAR NOT NULL, -- source of the row; "synthetic" is generated data
    searched_at TIMESTAMPTZ NOT NULL, -- time of the search (UTC)
    PRIMARY KEY (category_1, task_id, rank)
);
-- from tasks: category_1, task_id, query = title
