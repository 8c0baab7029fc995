-- Pairs of products bought together in at least $min_baskets baskets, with how far that exceeds chance.
-- P(x) is the share of baskets that hold x, over the baskets of at most $max_basket_items products.
-- lift = P(a, b) / (P(a) P(b)); npmi = ln(lift) / -ln P(a, b).
WITH items AS (
    SELECT DISTINCT
        basket_id,
        product_id
    FROM transactions
    WHERE kept
),

baskets AS (
    SELECT
        basket_id,
        row_number() OVER ()::INT AS basket
    FROM items
    GROUP BY basket_id
    HAVING count(*) <= $max_basket_items
),

total AS (SELECT count(*) AS baskets FROM baskets),

-- Small integers join several times faster than text; a product's number keeps the order of the ids.
products AS (
    SELECT
        items.product_id,
        row_number() OVER (ORDER BY items.product_id)::INT AS product,
        count(*) AS baskets
    FROM items
    INNER JOIN baskets ON items.basket_id = baskets.basket_id
    GROUP BY items.product_id
),

coded AS (
    SELECT
        baskets.basket,
        products.product
    FROM items
    INNER JOIN baskets ON items.basket_id = baskets.basket_id
    INNER JOIN products ON items.product_id = products.product_id
),

pairs AS (
    SELECT
        a.product AS product_a,
        b.product AS product_b,
        count(*) AS baskets
    FROM coded AS a
    INNER JOIN coded AS b ON a.basket = b.basket AND a.product < b.product
    GROUP BY a.product, b.product
    HAVING count(*) >= $min_baskets
),

lifted AS (
    SELECT
        a.product_id AS product_a,
        b.product_id AS product_b,
        pairs.baskets,
        pairs.baskets / total.baskets AS share,
        pairs.baskets / a.baskets / b.baskets * total.baskets AS lift
    FROM pairs
    CROSS JOIN total
    INNER JOIN products AS a ON pairs.product_a = a.product
    INNER JOIN products AS b ON pairs.product_b = b.product
)

SELECT
    product_a,
    product_b,
    baskets,
    lift,
    -- A pair that is in every basket is as close as a pair can be.
    CASE WHEN share = 1 THEN 1 ELSE ln(lift) / -ln(share) END AS npmi
FROM lifted
