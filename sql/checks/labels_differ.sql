-- Share of the labelled products that have the most common label. Near 1, accuracy is not informative.
-- asset: graph_nodes, severity: warn
WITH labels AS (
    SELECT count(*) AS products
    FROM graph_nodes
    WHERE label IS NOT NULL
    GROUP BY label
)

SELECT
    max(products) / sum(products) AS value,
    value <= 0.9 AS passed
FROM labels
