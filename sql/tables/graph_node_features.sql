-- Features of the nodes in long form: what is known of a product without naming its label. Of the product hierarchy
-- only levels above the label may be features; what each source tells by itself is in graph_feature_leakage.
CREATE TABLE graph_node_features (
    node_id BIGINT NOT NULL, -- node
    feature VARCHAR NOT NULL, -- name of the feature
    value DOUBLE NOT NULL, -- its value, not yet standardised
    PRIMARY KEY (node_id, feature)
);
