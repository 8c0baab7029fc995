-- Ablations of the joint embedding's training, measured on held-out data.
CREATE TABLE joint_embedding_studies (
    subject VARCHAR NOT NULL, -- what the ablation varies: negatives, positives, scale, labels, transfer or alignment
    method VARCHAR NOT NULL, -- method that is compared, in words
    share DOUBLE NOT NULL, -- value of the varied number; 1 if no number is varied
    seed BIGINT NOT NULL, -- random seed of the training
    benchmark VARCHAR NOT NULL, -- benchmark: the evaluation data
    metric VARCHAR NOT NULL, -- text-to-video R@1, R@5, R@10 and step recalls are shares, 0 to 1; ranks start at 1
    value DOUBLE NOT NULL, -- measured value
    queries BIGINT NOT NULL, -- number of captions or videos
    CHECK (subject IN ('negatives', 'positives', 'scale', 'labels', 'transfer', 'alignment')),
    PRIMARY KEY (subject, method, share, seed, benchmark, metric)
);
