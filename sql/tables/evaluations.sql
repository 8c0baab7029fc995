-- Measured results, one row a metric.
CREATE TABLE evaluations (
    model VARCHAR NOT NULL, -- what was measured: a model or a baseline's family
    benchmark VARCHAR NOT NULL, -- on which data
    split VARCHAR NOT NULL, -- on which part of it
    method VARCHAR NOT NULL, -- the model itself, or the baseline beside it
    metric VARCHAR NOT NULL, -- R@1, R@5, R@10 and accuracies as shares of 1; ranks from 1
    value DOUBLE NOT NULL, -- the result
    queries BIGINT NOT NULL, -- number of queries or items measured
    snapshot BIGINT NOT NULL, -- snapshot of the lake that it was measured on
    evaluated_at TIMESTAMPTZ NOT NULL, -- when it was measured (UTC)
    PRIMARY KEY (model, benchmark, split, method, metric)
);
