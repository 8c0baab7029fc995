-- Ways to make edges of co-purchases, compared on the same products: those with any pair, isolated or not.
-- Accuracies and macro-F1 are of validation products only; the test products choose nothing.
CREATE TABLE graph_construction_study (
    construction VARCHAR NOT NULL, -- the way, in words
    seed BIGINT NOT NULL, -- seed of the clusters and of the training
    measure VARCHAR NOT NULL CHECK (measure IN ('baskets', 'lift', 'npmi', 'significance')), -- of a pair's strength
    neighbours BIGINT NOT NULL CHECK (neighbours >= 0), -- strongest pairs that a product keeps; 0 is all
    mutual BOOLEAN NOT NULL, -- whether both products must keep a pair, or one of them
    min_baskets BIGINT NOT NULL CHECK (min_baskets >= 1), -- baskets that a pair must share
    nodes BIGINT, -- products with an edge
    edges BIGINT, -- pairs that became edges
    isolated_share DOUBLE, -- share of the compared products without an edge
    edge_cut DOUBLE, -- share of edges between different METIS clusters
    homophily DOUBLE, -- share of equal labels among edges between labelled products, without test products
    adjusted_homophily DOUBLE, -- the same less what the degrees of the labels give by chance (Platonov 2023); 1 is all
    validation_nodes BIGINT, -- labelled validation products
    lr_accuracy DOUBLE, -- logistic regression on the features alone
    lr_macro_f1 DOUBLE, -- logistic regression on the features alone
    gcn_accuracy DOUBLE, -- a short Cluster-GCN on the graph
    gcn_macro_f1 DOUBLE, -- a short Cluster-GCN on the graph
    connected_validation_nodes BIGINT, -- those of them with an edge
    connected_lr_accuracy DOUBLE, -- logistic regression, on those with an edge
    connected_lr_macro_f1 DOUBLE, -- logistic regression, on those with an edge
    connected_gcn_accuracy DOUBLE, -- the Cluster-GCN, on those with an edge
    connected_gcn_macro_f1 DOUBLE, -- the Cluster-GCN, on those with an edge
    reason VARCHAR, -- why it could not be judged: no edges, or too few for the clusters
    CHECK ((reason IS NULL) = (gcn_accuracy IS NOT NULL)),
    PRIMARY KEY (construction, seed)
);
