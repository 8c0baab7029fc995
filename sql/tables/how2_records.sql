-- What annotators wrote of clips for How2R and How2QA, with the reason where a record is left out of the release.
CREATE TABLE how2_records (
    kind VARCHAR NOT NULL CHECK (kind IN ('query', 'question')), -- query of How2R, or question of How2QA
    record_id VARCHAR NOT NULL, -- the video's id and the place among its records
    video_id VARCHAR NOT NULL, -- the source's id of the video
    split VARCHAR NOT NULL CHECK (split IN ('train', 'val', 'test')), -- part of the release, by video
    start_s DOUBLE NOT NULL, -- start of the moment, seconds from the start of the video
    end_s DOUBLE NOT NULL, -- end of the moment, seconds from the start of the video
    text VARCHAR NOT NULL, -- the query or the question
    right_answer VARCHAR, -- the right answer of a question
    wrong_answers VARCHAR[], -- its wrong ones: other questions' right answers, chosen so that the text tells nothing
    reason VARCHAR, -- why it is left out; NULL where it is released
    PRIMARY KEY (kind, record_id)
);
