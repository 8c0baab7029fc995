-- Baskets and lines that contribute no pair. See without_pairs in assets/graph/co_purchases.py.
WITH baskets AS (
    SELECT
        basket_id,
        count(*) AS lines,
        count(DISTINCT product_id) AS products
    FROM transactions
    WHERE kept
    GROUP BY basket_id
)

SELECT
    count(*) FILTER (WHERE products = 1) AS baskets_of_one_product,
    count(*) FILTER (WHERE products > $cap) AS baskets_above_the_cap,
    coalesce(sum(lines - products), 0) AS repeated_lines
FROM baskets
