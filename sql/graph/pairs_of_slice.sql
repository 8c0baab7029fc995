-- Number of baskets that contain both products of a pair, for first products in one of $slices slices.
SELECT
    a.product AS product_a,
    b.product AS product_b,
    count(*) AS baskets
FROM coded AS b -- The filtered side is second: the join builds its hash table from it.
INNER JOIN coded AS a ON b.basket = a.basket AND b.product > a.product
WHERE a.product % $slices = $slice
GROUP BY a.product, b.product
HAVING count(*) >= $min_baskets
