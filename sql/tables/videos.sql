-- The data set's videos: each candidate that was kept, with the verdict of the caption filters.
CREATE TABLE videos (
    video_id VARCHAR NOT NULL, -- the source's id of the video
    task_id VARCHAR NOT NULL, -- task that it ranks best for
    rank BIGINT NOT NULL, -- position in that task's search answer, from 1
    category_1 VARCHAR NOT NULL, -- top category of the task
    category_2 VARCHAR, -- second-level category of the task, where known
    title VARCHAR NOT NULL, -- title of the video
    channel VARCHAR, -- channel of the video, where known
    duration_s DOUBLE, -- length in seconds as the search or the metadata told it; NULL is unknown
    view_count BIGINT, -- views; NULL is unknown
    source VARCHAR NOT NULL, -- where the row comes from; "synthetic" is generated data
    word_count BIGINT NOT NULL, -- words in the captions
    caption_source VARCHAR, -- manual, asr or translated
    language VARCHAR, -- language code of the caption track
    duplicate_of VARCHAR, -- better-ranked video that says the same, where there is one
    kept BOOLEAN NOT NULL, -- whether the video is in the data set
    reason VARCHAR, -- why not: the first limit that it fails
    CHECK (kept = (reason IS NULL)),
    PRIMARY KEY (video_id)
);
