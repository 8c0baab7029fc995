-- Nodes of the co-purchase graph: products with at least one edge.
CREATE TABLE graph_nodes (
    node_id BIGINT NOT NULL, -- node id: position of the node, from 0
    product_id VARCHAR NOT NULL, -- product id
    label VARCHAR, -- department or the configured level of the hierarchy; NULL if unknown or too rare
    split VARCHAR NOT NULL CHECK (split IN ('train', 'validation', 'test', 'unlabelled')), -- split of the product
    reason VARCHAR, -- why there is no label; NULL if there is one
    CHECK ((split = 'unlabelled') = (label IS NULL)),
    CHECK ((reason IS NULL) = (label IS NOT NULL)),
    PRIMARY KEY (node_id)
);
-- from co_purchases: node_id = product_a, node_id = product_b, product_id = product_a, product_id = product_b
