-- Models that see the edges of the co-purchase graph beside models that do not, by what is known of a product itself.
-- The same_label_weight is the share of the weight of a validation product's edges that stays in its label.
-- Accuracies and macro-F1 beside the training's own are of validation products; the test products choose nothing.
CREATE TABLE own_features_study (
    features VARCHAR NOT NULL, -- with or without the manufacturer
    model VARCHAR NOT NULL, -- what was trained, in words
    seed BIGINT NOT NULL, -- seed of the training
    columns BIGINT NOT NULL CHECK (columns >= 1), -- features of a product
    train_accuracy DOUBLE NOT NULL CHECK (train_accuracy BETWEEN 0 AND 1), -- of the training products
    accuracy DOUBLE NOT NULL CHECK (accuracy BETWEEN 0 AND 1), -- of the validation products
    macro_f1 DOUBLE NOT NULL CHECK (macro_f1 BETWEEN 0 AND 1), -- of the validation products
    mended BIGINT NOT NULL CHECK (mended >= 0), -- validation products told here and not without edges
    broken BIGINT NOT NULL CHECK (broken >= 0), -- validation products told without edges and not here
    same_label_weight_right DOUBLE, -- of edges to training products, mean over those told
    same_label_weight_wrong DOUBLE, -- the same over those not told
    PRIMARY KEY (features, model, seed)
);
