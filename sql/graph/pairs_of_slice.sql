-- How many baskets hold both of two products, for first products of one slice of $slices.
SELECT
    a.product AS product_a,
    b.product AS product_b,
    count(*) AS baskets
FROM coded AS b -- The side that is filtered comes second: the join hashes that one.
INNER JOIN coded AS a ON b.basket = a.basket AND b.product > a.product
WHERE a.product % $slices = $slice
GROUP BY a.product, b.product
HAVING count(*) >= $min_baskets
