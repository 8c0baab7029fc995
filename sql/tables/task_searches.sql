-- Outcome of the video search, one row per kept task.
CREATE TABLE task_searches (
    category_1 VARCHAR NOT NULL, -- top category of the task
    task_id VARCHAR NOT NULL, -- task of the search
    query VARCHAR NOT NULL, -- query that was sent to the search
    status VARCHAR NOT NULL, -- outcome
    results BIGINT NOT NULL, -- number of videos found
    searched_at TIMESTAMPTZ NOT NULL, -- time of the last request (UTC)
    next_try_at TIMESTAMPTZ, -- time of the next attempt (UTC); NULL if none is planned
    error VARCHAR, -- error message; NULL if there is none
    CHECK (status IN ('ok', 'failed', 'blocked', 'retry')),
    PRIMARY KEY (category_1, task_id)
);
-- from tasks: category_1, task_id, query = title
