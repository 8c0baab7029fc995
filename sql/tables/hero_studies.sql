-- Ways to pre-train and to build HERO, side by side, on held-out synthetic videos.
CREATE TABLE hero_studies (
    subject VARCHAR NOT NULL, -- what is varied: tasks, architecture or corpus
    method VARCHAR NOT NULL, -- the way, in words
    benchmark VARCHAR NOT NULL, -- on which data it was measured, and whether after fine-tuning
    metric VARCHAR NOT NULL, -- recalls and accuracies as shares of 1; losses
    seed BIGINT NOT NULL, -- seed of the training
    value DOUBLE NOT NULL, -- the result
    queries BIGINT NOT NULL, -- number of queries, questions or videos measured
    CHECK (subject IN ('tasks', 'architecture', 'corpus')),
    PRIMARY KEY (subject, method, benchmark, metric, seed)
);
