-- Ways to train the joint embedding, side by side, on held-out data.
CREATE TABLE joint_embedding_studies (
    subject VARCHAR NOT NULL, -- what is varied: negatives, positives, scale, labels, transfer or alignment
    method VARCHAR NOT NULL, -- the way, in words
    share DOUBLE NOT NULL, -- the number that is varied; 1 where none is
    seed BIGINT NOT NULL, -- seed of the training
    benchmark VARCHAR NOT NULL, -- on which data it was measured
    metric VARCHAR NOT NULL, -- text-to-video R@1, R@5, R@10 and step recalls as shares of 1; ranks from 1
    value DOUBLE NOT NULL, -- the result
    queries BIGINT NOT NULL, -- number of captions or videos measured
    CHECK (subject IN ('negatives', 'positives', 'scale', 'labels', 'transfer', 'alignment')),
    PRIMARY KEY (subject, method, share, seed, benchmark, metric)
);
