-- Ablation of graph constructions, on the same products for each: all products with a pair, isolated ones included.
-- Accuracies and macro-F1 are measured on validation products only.
CREATE TABLE graph_construction_study (
    construction VARCHAR NOT NULL, -- method that is compared, in words
    seed BIGINT NOT NULL, -- random seed of the clusters and of the training
    measure VARCHAR NOT NULL CHECK (measure IN ('baskets', 'lift', 'npmi', 'significance')), -- strength of a pair
    neighbours BIGINT NOT NULL CHECK (neighbours >= 0), -- strongest pairs that each product keeps; 0 keeps all
    mutual BOOLEAN NOT NULL, -- whether both products must keep a pair; otherwise one is enough
    min_baskets BIGINT NOT NULL CHECK (min_baskets >= 1), -- minimum number of baskets that a pair shares
    nodes BIGINT, -- number of products with an edge
    edges BIGINT, -- number of edges
    isolated_share DOUBLE, -- share of the compared products without an edge, 0 to 1
    edge_cut DOUBLE, -- share of edges between different clusters, 0 to 1
    homophily DOUBLE, -- share of edges that join equal labels, among labelled products without the test split
    adjusted_homophily DOUBLE, -- homophily adjusted for chance, by label degrees (Platonov et al. 2023); at most 1
    validation_nodes BIGINT, -- number of labelled validation products
    lr_accuracy DOUBLE, -- accuracy of logistic regression on the node features
    lr_macro_f1 DOUBLE, -- macro-F1 of logistic regression on the node features
    gcn_accuracy DOUBLE, -- accuracy of a Cluster-GCN trained for few epochs
    gcn_macro_f1 DOUBLE, -- macro-F1 of a Cluster-GCN trained for few epochs
    connected_validation_nodes BIGINT, -- number of labelled validation products with an edge
    connected_lr_accuracy DOUBLE, -- accuracy of logistic regression on the node features, products with an edge
    connected_lr_macro_f1 DOUBLE, -- macro-F1 of logistic regression on the node features, products with an edge
    connected_gcn_accuracy DOUBLE, -- accuracy of a Cluster-GCN trained for few epochs, products with an edge
    connected_gcn_macro_f1 DOUBLE, -- macro-F1 of a Cluster-GCN trained for few epochs, products with an edge
    reason VARCHAR, -- why there is no result: no edges, or too few for the clusters
    CHECK ((reason IS NULL) = (gcn_accuracy IS NOT NULL)),
    PRIMARY KEY (construction, seed)
);
