-- METIS clusters of the co-purchase graph; of the training nodes alone where training is inductive.
CREATE TABLE graph_clusters (
    node_id BIGINT NOT NULL, -- node
    cluster_id BIGINT NOT NULL CHECK (cluster_id >= 0), -- cluster, from 0
    PRIMARY KEY (node_id)
);
