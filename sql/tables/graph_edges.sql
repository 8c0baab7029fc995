-- Edges of the co-purchase graph: pairs that are among each other's strongest by normalised PMI.
CREATE TABLE graph_edges (
    node_a BIGINT NOT NULL, -- node; below node_b
    node_b BIGINT NOT NULL, -- node
    weight DOUBLE NOT NULL, -- normalised pointwise mutual information of the pair
    CHECK (node_a < node_b),
    PRIMARY KEY (node_a, node_b)
);
