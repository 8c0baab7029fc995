-- Evaluation results, one row per metric.
CREATE TABLE evaluations (
    model VARCHAR NOT NULL, -- model, or the family of a baseline
    benchmark VARCHAR NOT NULL, -- evaluation data
    split VARCHAR NOT NULL, -- split of the evaluation data
    method VARCHAR NOT NULL, -- the model itself or a baseline
    metric VARCHAR NOT NULL, -- metric; R@1, R@5, R@10 and accuracies are shares from 0 to 1, ranks start at 1
    value DOUBLE NOT NULL, -- measured value
    queries BIGINT NOT NULL, -- number of queries or items
    snapshot BIGINT NOT NULL, -- snapshot of the lake that was evaluated
    evaluated_at TIMESTAMPTZ NOT NULL, -- time of the evaluation (UTC)
    PRIMARY KEY (model, benchmark, split, method, metric)
);
