-- Edges of the co-purchase graph: pairs that are among each other's strongest by the chosen measure.
CREATE TABLE graph_edges (
    node_a BIGINT NOT NULL, -- node; below node_b
    node_b BIGINT NOT NULL, -- node
    weight DOUBLE NOT NULL CHECK (weight > 0), -- baskets, ln(lift), normalised PMI or the root of the significance
    CHECK (node_a < node_b),
    PRIMARY KEY (node_a, node_b)
);
