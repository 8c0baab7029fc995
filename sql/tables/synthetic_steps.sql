-- Ground truth of the synthetic world: what is really seen when, and what may be asked about it.
CREATE TABLE synthetic_steps (
    video_id VARCHAR NOT NULL, -- synthetic video
    step_index BIGINT NOT NULL, -- position of the step in the video, from 0
    start_s DOUBLE NOT NULL, -- start of the step, seconds from the start of the video
    end_s DOUBLE NOT NULL, -- end of the step, seconds from the start of the video
    action VARCHAR NOT NULL, -- what is done, seen as motion
    shape VARCHAR NOT NULL, -- what it is done to, seen as a silhouette
    colour VARCHAR NOT NULL, -- its colour
    texture VARCHAR NOT NULL, -- its texture
    step_text VARCHAR NOT NULL, -- the step in the words of the task
    description VARCHAR NOT NULL, -- the step as it is seen
    question VARCHAR NOT NULL, -- a question about the step
    options VARCHAR[] NOT NULL, -- four answers
    answer_index BIGINT NOT NULL, -- position of the right one, from 0
    narrated BOOLEAN NOT NULL, -- whether some caption line describes the step
    PRIMARY KEY (video_id, step_index)
);
