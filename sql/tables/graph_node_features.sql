-- Node features in long form. No feature names the label: of the product hierarchy only levels above the label are
-- features. How well each source predicts the label by itself is in graph_feature_leakage.
CREATE TABLE graph_node_features (
    node_id BIGINT NOT NULL, -- node id
    feature VARCHAR NOT NULL, -- name of the feature
    value DOUBLE NOT NULL, -- value, not standardised
    PRIMARY KEY (node_id, feature)
);
-- from graph_nodes: node_id
