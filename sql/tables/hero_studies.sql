-- Ablations of HERO's pre-training and architecture, measured on held-out synthetic videos.
CREATE TABLE hero_studies (
    subject VARCHAR NOT NULL, -- what the ablation varies: tasks, architecture or corpus
    method VARCHAR NOT NULL, -- method that is compared, in words
    benchmark VARCHAR NOT NULL, -- evaluation data, and whether the model was fine-tuned
    metric VARCHAR NOT NULL, -- metric; recalls and accuracies are shares from 0 to 1
    seed BIGINT NOT NULL, -- random seed of the training
    value DOUBLE NOT NULL, -- measured value
    queries BIGINT NOT NULL, -- number of queries, questions or videos
    CHECK (subject IN ('tasks', 'architecture', 'corpus')),
    PRIMARY KEY (subject, method, benchmark, metric, seed)
);
