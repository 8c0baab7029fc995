-- Baskets of the kept lines: sizes, baskets without a pair, and lines that repeat a product of their basket.
WITH sizes AS (
    SELECT
        basket_id,
        count(*) AS line_count,
        count(DISTINCT product_id) AS products
    FROM retail_baskets
    WHERE kept
    GROUP BY basket_id
)

SELECT
    'baskets' AS item,
    count(*) AS baskets,
    count(*) FILTER (WHERE products = 1) AS of_one_product,
    avg(products) AS mean_products,
    max(products) AS most_products,
    sum(line_count - products) AS repeated_lines
FROM sizes
