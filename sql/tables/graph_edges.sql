-- Edges of the co-purchase graph: pairs of products that are among each other's strongest by the configured measure.
CREATE TABLE graph_edges (
    node_a BIGINT NOT NULL, -- node id; less than node_b
    node_b BIGINT NOT NULL, -- node id
    weight DOUBLE NOT NULL CHECK (weight > 0), -- baskets, ln(lift), normalised PMI or square root of significance
    CHECK (node_a < node_b),
    PRIMARY KEY (node_a, node_b)
);
-- from co_purchases: node_a = product_a, node_b = product_b
