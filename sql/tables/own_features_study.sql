-- Ablation of edges and node features: models that use the edges of the co-purchase graph, and models that do not.
-- A same_label_weight is the share of a validation product's edge weight that goes to products of the same label.
-- Except for train_accuracy, all columns are measured on validation products.
CREATE TABLE own_features_study (
    features VARCHAR NOT NULL, -- node features: with or without the manufacturer
    model VARCHAR NOT NULL, -- model, in words
    seed BIGINT NOT NULL, -- random seed of the training
    columns BIGINT NOT NULL CHECK (columns >= 1), -- number of features per product
    train_accuracy DOUBLE NOT NULL CHECK (train_accuracy BETWEEN 0 AND 1), -- accuracy on training products
    accuracy DOUBLE NOT NULL CHECK (accuracy BETWEEN 0 AND 1), -- accuracy on validation products
    macro_f1 DOUBLE NOT NULL CHECK (macro_f1 BETWEEN 0 AND 1), -- macro-F1 on validation products
    fixed BIGINT NOT NULL CHECK (fixed >= 0), -- validation products right here, wrong without edges
    regressed BIGINT NOT NULL CHECK (regressed >= 0), -- validation products wrong here, right without edges
    same_label_weight_right DOUBLE, -- edges to training products: mean over correctly predicted products
    same_label_weight_wrong DOUBLE, -- edges to training products: mean over wrongly predicted products
    PRIMARY KEY (features, model, seed)
);
