-- Features of the nodes in long form: what is known of a product without naming its department.
CREATE TABLE graph_node_features (
    node_id BIGINT NOT NULL, -- node
    feature VARCHAR NOT NULL, -- name of the feature
    value DOUBLE NOT NULL, -- its value, not yet standardised
    PRIMARY KEY (node_id, feature)
);
