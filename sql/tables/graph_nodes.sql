-- Nodes of the co-purchase graph: products with at least one edge.
CREATE TABLE graph_nodes (
    node_id BIGINT NOT NULL, -- position of the node, from 0
    product_id VARCHAR NOT NULL, -- product
    label VARCHAR, -- department, or the level of the hierarchy that was chosen; where known and common enough
    split VARCHAR NOT NULL CHECK (split IN ('train', 'validation', 'test', 'unlabelled')), -- by product
    reason VARCHAR, -- why there is no label
    CHECK ((split = 'unlabelled') = (label IS NULL)),
    CHECK ((reason IS NULL) = (label IS NOT NULL)),
    PRIMARY KEY (node_id)
);
