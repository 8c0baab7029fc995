-- Ablations of the Cluster-GCN on the co-purchase graph. Test products are not used.
CREATE TABLE cluster_gcn_studies (
    subject VARCHAR NOT NULL CHECK (subject IN ('partition', 'depth', 'memory')), -- what the ablation varies
    construction VARCHAR NOT NULL, -- graph construction, in words
    method VARCHAR NOT NULL, -- METIS, KaMinPar or random clusters, full batch or neighbour sampling
    layers BIGINT NOT NULL CHECK (layers >= 1), -- number of graph convolutions
    hidden_dim BIGINT NOT NULL CHECK (hidden_dim >= 1), -- hidden units per layer
    propagation VARCHAR NOT NULL, -- propagation matrix, with its equation in the Cluster-GCN paper
    clusters_per_batch BIGINT NOT NULL CHECK (clusters_per_batch >= 0), -- 0 if batches are not made of clusters
    seed BIGINT NOT NULL, -- random seed of the clusters and of the training
    clusters BIGINT NOT NULL CHECK (clusters >= 0), -- number of clusters; 0 if the graph is not partitioned
    partition_seconds DOUBLE CHECK (partition_seconds >= 0), -- time of the partition in seconds; NULL if not measured
    partition_mib DOUBLE CHECK (partition_mib >= 0), -- peak memory of the partition above the graph, MiB; NULL likewise
    edge_cut DOUBLE CHECK (edge_cut BETWEEN 0 AND 1), -- share of edges between different clusters, 0 to 1
    epochs BIGINT NOT NULL CHECK (epochs >= 1), -- epochs: passes over the training nodes
    loss DOUBLE NOT NULL, -- training loss (cross entropy) in the last epoch
    accuracy DOUBLE NOT NULL CHECK (accuracy BETWEEN 0 AND 1), -- accuracy on validation products in the best epoch
    macro_f1 DOUBLE NOT NULL CHECK (macro_f1 BETWEEN 0 AND 1), -- macro-F1 on validation products in that epoch
    epoch_seconds DOUBLE NOT NULL CHECK (epoch_seconds >= 0), -- median time per epoch in seconds, without validation
    memory_mib DOUBLE CHECK (memory_mib >= 0), -- peak memory of the training in MiB; NULL unless memory is the subject
    PRIMARY KEY (
        subject, construction, method, layers, hidden_dim, propagation, clusters_per_batch, seed
    )
);
