-- Clusters of the co-purchase graph; with inductive training, of the training nodes only.
CREATE TABLE graph_clusters (
    node_id BIGINT NOT NULL, -- node id
    cluster_id BIGINT NOT NULL CHECK (cluster_id >= 0), -- cluster id, from 0
    PRIMARY KEY (node_id)
);
-- from graph_nodes: node_id
-- from graph_edges: cluster_id = node_a, cluster_id = node_b
