-- Annotations of clips for How2R and How2QA, with the reason for each record that is left out of the release.
CREATE TABLE how2_records (
    kind VARCHAR NOT NULL CHECK (kind IN ('query', 'question')), -- query of How2R or question of How2QA
    record_id VARCHAR NOT NULL, -- video id and position among the records of the video
    video_id VARCHAR NOT NULL, -- video id of the source
    split VARCHAR NOT NULL CHECK (split IN ('train', 'val', 'test')), -- split of the release, by video
    start_s DOUBLE NOT NULL, -- start of the moment, seconds from the start of the video
    end_s DOUBLE NOT NULL, -- end of the moment, seconds from the start of the video
    text VARCHAR NOT NULL, -- text of the query or of the question
    right_answer VARCHAR, -- correct answer of a question
    wrong_answers VARCHAR[], -- correct answers of other questions, so that text alone does not identify the correct one
    reason VARCHAR, -- why the record is left out; NULL if it is released
    PRIMARY KEY (kind, record_id)
);
