-- Link prediction on baskets, split by day: pairs of products that are bought together in the last period, predicted
-- from the baskets before. A query is one product of a pair; all products that are known before are ranked for it.
CREATE TABLE link_prediction_study (
    method VARCHAR NOT NULL, -- popularity, item-item cosine, or the graph embedding
    pairs VARCHAR NOT NULL CHECK (pairs IN ('all', 'repeated', 'new')), -- new: never in one basket before the test
    seed BIGINT NOT NULL, -- random seed of the training
    queries BIGINT NOT NULL CHECK (queries >= 1), -- number of pairs
    hit_rate_at_10 DOUBLE NOT NULL CHECK (hit_rate_at_10 BETWEEN 0 AND 1), -- pairs whose target is in the first 10
    hit_rate_at_50 DOUBLE NOT NULL CHECK (hit_rate_at_50 BETWEEN 0 AND 1), -- pairs whose target is in the first 50
    mrr DOUBLE NOT NULL CHECK (mrr BETWEEN 0 AND 1), -- mean reciprocal rank of the target
    products BIGINT NOT NULL CHECK (products >= 2), -- products that are ranked
    tested_from DATE NOT NULL, -- first day of the test period
    PRIMARY KEY (method, pairs, seed)
);
