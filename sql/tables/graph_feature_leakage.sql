-- How well each source of node features predicts the label by itself. A source that predicts nearly all labels is a
-- leak and must not be used: product type and category name the department, so only levels above the label may be used.
CREATE TABLE graph_feature_leakage (
    source VARCHAR NOT NULL, -- column of the products, or one numeric feature
    used BOOLEAN NOT NULL, -- whether features use the source; the others are measured to show why not
    distinct_values BIGINT NOT NULL, -- distinct values among the labelled nodes; numeric features are cut into 20 bins
    mutual_information DOUBLE NOT NULL, -- I(source; label) / H(label), 0 to 1; many distinct values raise it by chance
    accuracy DOUBLE, -- accuracy on validation nodes, predicting the most common training label of the same value
    majority_accuracy DOUBLE, -- accuracy on validation nodes, predicting the most common training label
    CHECK (NOT used OR majority_accuracy = 1 OR (accuracy - majority_accuracy) / (1 - majority_accuracy) < 0.9),
    PRIMARY KEY (source)
);
