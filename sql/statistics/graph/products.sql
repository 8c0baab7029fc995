-- Products from sale to labelled node: how many each step keeps of the step before.
WITH sold AS (SELECT DISTINCT product_id FROM retail_baskets WHERE kept),

paired AS (
    SELECT product_a AS product_id FROM co_purchases
    UNION
    SELECT product_b AS product_id FROM co_purchases
),

described AS (SELECT product_id FROM products WHERE kept)

SELECT
    'sold' AS step,
    count(*) AS products
FROM sold
UNION ALL
SELECT
    'sold, but not among the products' AS step,
    count(*) AS products
FROM sold
ANTI JOIN described ON sold.product_id = described.product_id
UNION ALL
SELECT
    'in a pair' AS step,
    count(*) AS products
FROM paired
UNION ALL
SELECT
    'with an edge' AS step,
    count(*) AS products
FROM graph_nodes
UNION ALL
SELECT
    'with an edge and a label' AS step,
    count(*) AS products
FROM graph_nodes
WHERE label IS NOT NULL
