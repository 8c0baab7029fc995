-- Ways to train a Cluster-GCN on the co-purchase graph, side by side; the test products choose nothing.
CREATE TABLE cluster_gcn_studies (
    subject VARCHAR NOT NULL CHECK (subject IN ('partition', 'depth', 'memory')), -- what is varied
    construction VARCHAR NOT NULL, -- how the edges were made, in words
    method VARCHAR NOT NULL, -- METIS clusters, random clusters, full batch or neighbour sampling
    layers BIGINT NOT NULL CHECK (layers >= 1), -- graph convolutions
    hidden_dim BIGINT NOT NULL CHECK (hidden_dim >= 1), -- width of a layer
    propagation VARCHAR NOT NULL, -- the matrix that features are multiplied by, with its equation
    clusters_per_batch BIGINT NOT NULL CHECK (clusters_per_batch >= 0), -- 0 where batches are not made of clusters
    seed BIGINT NOT NULL, -- seed of the clusters and of the training
    clusters BIGINT NOT NULL CHECK (clusters >= 0), -- clusters of the graph; 0 where there are none
    edge_cut DOUBLE CHECK (edge_cut BETWEEN 0 AND 1), -- share of edges between different clusters
    epochs BIGINT NOT NULL CHECK (epochs >= 1), -- passes over the graph
    loss DOUBLE NOT NULL, -- cross entropy of the training products in the last epoch
    accuracy DOUBLE NOT NULL CHECK (accuracy BETWEEN 0 AND 1), -- of validation products, best epoch
    macro_f1 DOUBLE NOT NULL CHECK (macro_f1 BETWEEN 0 AND 1), -- of validation products, in that epoch
    epoch_seconds DOUBLE NOT NULL CHECK (epoch_seconds >= 0), -- median of the epochs, without validation
    memory_mib DOUBLE CHECK (memory_mib >= 0), -- most memory that training took; only where memory is the subject
    PRIMARY KEY (
        subject, construction, method, layers, hidden_dim, propagation, clusters_per_batch, seed
    )
);
