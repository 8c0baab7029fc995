-- One row a task that is kept: what came of searching videos for it.
CREATE TABLE task_searches (
    category_1 VARCHAR NOT NULL, -- top category of the task
    task_id VARCHAR NOT NULL, -- task that was searched for
    query VARCHAR NOT NULL, -- what was searched for
    status VARCHAR NOT NULL, -- outcome
    results BIGINT NOT NULL, -- videos found
    searched_at TIMESTAMPTZ NOT NULL, -- when it was last asked for (UTC)
    next_try_at TIMESTAMPTZ, -- from when it is asked for again (UTC)
    error VARCHAR, -- what went wrong, where something did
    CHECK (status IN ('ok', 'failed', 'blocked', 'retry')),
    PRIMARY KEY (category_1, task_id)
);
