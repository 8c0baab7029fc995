-- Pairs that are among the $neighbours strongest pairs of one of their products ($ends = 1) or of both ($ends = 2).
-- Ties are broken by the number of baskets, then by the id of the neighbour.
WITH candidates AS (
    SELECT
        product_a,
        product_b,
        baskets,
        $strength AS weight
    FROM co_purchases
    WHERE baskets >= $min_baskets AND $above_chance
),

sides AS (
    SELECT
        product_a AS product,
        product_b AS neighbour,
        product_a,
        product_b,
        baskets,
        weight
    FROM candidates
    UNION ALL
    SELECT
        product_b AS product,
        product_a AS neighbour,
        product_a,
        product_b,
        baskets,
        weight
    FROM candidates
),

strongest AS (
    SELECT
        product_a,
        product_b,
        weight
    FROM sides
    QUALIFY row_number() OVER (PARTITION BY product ORDER BY weight DESC, baskets DESC, neighbour) <= $neighbours
)

SELECT
    product_a,
    product_b,
    any_value(weight) AS weight
FROM strongest
GROUP BY product_a, product_b
HAVING count(*) >= $ends
ORDER BY product_a, product_b
