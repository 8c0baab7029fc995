-- Videos of the data set: each kept candidate with the result of the caption filters.
CREATE TABLE videos (
    video_id VARCHAR NOT NULL, -- video id of the source
    task_id VARCHAR NOT NULL, -- task for which the video ranks best
    rank BIGINT NOT NULL, -- position in the search results of that task, from 1
    category_1 VARCHAR NOT NULL, -- top category of the task
    category_2 VARCHAR, -- second-level category of the task; NULL if unknown
    title VARCHAR NOT NULL, -- title of the video
    channel VARCHAR, -- channel of the video; NULL if unknown
    duration_s DOUBLE, -- length in seconds, from the search or the metadata; NULL if unknown
    view_count BIGINT, -- number of views; NULL if unknown
    channel_id VARCHAR, -- channel id of the source; NULL if unknown
    license VARCHAR, -- code of the licence, e.g. cc-by or youtube, else the words of the source; NULL if unknown
    upload_date DATE, -- day of the upload (UTC); NULL if unknown
    availability VARCHAR, -- who can watch the video, e.g. public or unlisted, when it was fetched; NULL if unknown
    source VARCHAR NOT NULL, -- source of the row; "synthetic" is generated data
    word_count BIGINT NOT NULL, -- number of words in the captions
    caption_source VARCHAR, -- kind of caption track: manual, asr or translated
    language VARCHAR, -- language code of the caption track
    duplicate_of VARCHAR, -- better-ranked video with the same captions; NULL if there is none
    kept BOOLEAN NOT NULL, -- whether the video is in the data set
    reason VARCHAR, -- first filter that the video fails; NULL if it is kept
    CHECK (kept = (reason IS NULL)),
    PRIMARY KEY (video_id)
);
-- from candidate_videos: video_id, task_id, rank, category_1, category_2, title, channel, duration_s, view_count
-- from candidate_videos: source
-- from caption_fetches: word_count, caption_source = source, language
-- from video_metadata: duration_s, view_count, channel_id, license, upload_date, availability
-- from video_duplicates: duplicate_of
