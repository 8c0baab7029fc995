-- Search results with the verdict of the filters that need no captions; each video is kept once at most.
CREATE TABLE candidate_videos (
    video_id VARCHAR NOT NULL, -- the source's id of the video
    task_id VARCHAR NOT NULL, -- task that it was found for
    rank BIGINT NOT NULL CHECK (rank >= 1), -- position in that task's search answer, from 1
    category_1 VARCHAR NOT NULL, -- top category of the task
    category_2 VARCHAR, -- second-level category of the task, where known
    title VARCHAR NOT NULL, -- title of the video
    channel VARCHAR, -- channel of the video, where known
    duration_s DOUBLE, -- length in seconds; NULL is unknown and passes
    view_count BIGINT, -- views; NULL is unknown and passes
    source VARCHAR NOT NULL, -- where the row comes from; "synthetic" is generated data
    kept BOOLEAN NOT NULL, -- whether captions are fetched for it
    reason VARCHAR, -- why not: the first limit that it fails
    CHECK (kept = (reason IS NULL)),
    PRIMARY KEY (video_id, task_id)
);
