-- Ground truth of the synthetic videos: what each step shows, when, and a question about it.
CREATE TABLE synthetic_steps (
    video_id VARCHAR NOT NULL, -- video id of the synthetic video
    step_index BIGINT NOT NULL, -- position of the step in the video, from 0
    start_s DOUBLE NOT NULL, -- start of the step, seconds from the start of the video
    end_s DOUBLE NOT NULL, -- end of the step, seconds from the start of the video
    action VARCHAR NOT NULL, -- action, shown as motion
    shape VARCHAR NOT NULL, -- shape of the object, shown as a silhouette
    colour VARCHAR NOT NULL, -- colour of the object
    texture VARCHAR NOT NULL, -- texture of the object
    step_text VARCHAR NOT NULL, -- step in the words of the task
    description VARCHAR NOT NULL, -- description of what the video shows
    question VARCHAR NOT NULL, -- question about the step
    options VARCHAR[] NOT NULL, -- four answers to choose from
    answer_index BIGINT NOT NULL, -- position of the correct answer, from 0
    narrated BOOLEAN NOT NULL, -- whether a caption line describes the step
    PRIMARY KEY (video_id, step_index)
);
