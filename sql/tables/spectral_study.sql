-- Spectral analysis of the co-purchase graph, measured without the test products.
CREATE TABLE spectral_study (
    study VARCHAR NOT NULL CHECK (study IN ('clusters', 'smoothness', 'low-pass features')), -- what is compared
    method VARCHAR NOT NULL, -- clusters, signals or inputs that are compared
    metric VARCHAR NOT NULL, -- metric
    value DOUBLE NOT NULL, -- measured value
    PRIMARY KEY (study, method, metric)
);
