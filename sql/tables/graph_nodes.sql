-- Nodes of the co-purchase graph: products with at least one significant edge.
CREATE TABLE graph_nodes (
    node_id BIGINT NOT NULL, -- position of the node, from 0
    product_id VARCHAR NOT NULL, -- product
    label VARCHAR, -- department, where it is known and common enough to learn
    split VARCHAR NOT NULL CHECK (split IN ('train', 'validation', 'test', 'unlabelled')), -- by product
    CHECK ((split = 'unlabelled') = (label IS NULL)),
    PRIMARY KEY (node_id)
);
