-- What each source of node features tells of the label by itself. One that tells nearly all of it is a leak and must
-- not be used: the words of a product's type and category name its department, so only levels above the label may be.
CREATE TABLE graph_feature_leakage (
    source VARCHAR NOT NULL, -- column of the products that features come from, or one feature that is a number
    used BOOLEAN NOT NULL, -- whether it is among the features; the others are measured to show why not
    distinct_values BIGINT NOT NULL, -- among the labelled nodes; numbers are cut into 20 parts
    mutual_information DOUBLE NOT NULL, -- I(source; label) / H(label), 0 to 1; many values raise it by chance
    accuracy DOUBLE, -- on validation nodes, by the commonest label of the training nodes of the same value
    majority_accuracy DOUBLE, -- on validation nodes, by the commonest label of the training nodes
    CHECK (NOT used OR majority_accuracy = 1 OR (accuracy - majority_accuracy) / (1 - majority_accuracy) < 0.9),
    PRIMARY KEY (source)
);
