-- The co-purchase graph: size, homophily, and the share of edges between its clusters.
SELECT
    'co-purchase graph' AS item,
    (SELECT count(*) FROM graph_nodes) AS nodes,
    count(*) AS edges,
    2 * count(*) / (SELECT count(*) FROM graph_nodes) AS mean_degree,
    avg((a.label = b.label)::INT) AS homophily,
    avg((cluster_a.cluster_id != cluster_b.cluster_id)::INT) AS edge_cut
FROM graph_edges
INNER JOIN graph_nodes AS a ON graph_edges.node_a = a.node_id
INNER JOIN graph_nodes AS b ON graph_edges.node_b = b.node_id
INNER JOIN graph_clusters AS cluster_a ON graph_edges.node_a = cluster_a.node_id
INNER JOIN graph_clusters AS cluster_b ON graph_edges.node_b = cluster_b.node_id
