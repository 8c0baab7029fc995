-- Search results with the outcome of the filters that need no captions; each video is kept at most once.
CREATE TABLE candidate_videos (
    video_id VARCHAR NOT NULL, -- video id of the source
    task_id VARCHAR NOT NULL, -- task whose search returned the video
    rank BIGINT NOT NULL CHECK (rank >= 1), -- position in the search results of that task, from 1
    category_1 VARCHAR NOT NULL, -- top category of the task
    category_2 VARCHAR, -- second-level category of the task; NULL if unknown
    title VARCHAR NOT NULL, -- title of the video
    channel VARCHAR, -- channel of the video; NULL if unknown
    duration_s DOUBLE, -- length in seconds; NULL if unknown, which passes the filter
    view_count BIGINT, -- number of views; NULL if unknown, which passes the filter
    source VARCHAR NOT NULL, -- source of the row; "synthetic" is generated data
    kept BOOLEAN NOT NULL, -- whether captions are fetched for the video
    reason VARCHAR, -- first filter that the video fails; NULL if it is kept
    CHECK (kept = (reason IS NULL)),
    PRIMARY KEY (video_id, task_id)
);
-- from search_results: video_id, task_id, rank, category_1, title, channel, duration_s, view_count, source
-- from tasks: category_2
