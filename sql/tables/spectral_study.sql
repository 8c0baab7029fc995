-- What the spectrum of the co-purchase graph is good for; the test products choose nothing.
CREATE TABLE spectral_study (
    study VARCHAR NOT NULL CHECK (study IN ('clusters', 'smoothness', 'low-pass features')), -- what is compared
    method VARCHAR NOT NULL, -- which clusters, signals or inputs
    metric VARCHAR NOT NULL, -- what was measured
    value DOUBLE NOT NULL, -- the result
    PRIMARY KEY (study, method, metric)
);
