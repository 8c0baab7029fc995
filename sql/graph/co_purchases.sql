-- Pairs of products bought together in at least $min_baskets baskets, with measures of how far that exceeds chance.
-- Over the n baskets of at most $max_basket_items products, with P(x) the share of baskets that contain x:
-- lift = P(a, b) / (P(a) P(b)); npmi = ln(lift) / -ln P(a, b) (Bouma 2009);
-- G² = 2 Σ observed ln(observed / expected) over the four cells (with or without a, with or without b) of the
-- baskets (Dunning 1993), 0 ln 0 = 0; significance is G² with the sign of ln(lift).
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

total AS (SELECT count(*)::DOUBLE AS baskets FROM baskets),

-- Small integers join several times faster than text. Products are numbered in the order of their ids.
products AS (
    SELECT
        items.product_id,
        row_number() OVER (ORDER BY items.product_id)::INT AS product,
        count(*)::DOUBLE AS baskets
    FROM items
    INNER JOIN baskets ON items.basket_id = baskets.basket_id
    GROUP BY items.product_id
),

-- A product in too few baskets is in no pair.
coded AS MATERIALIZED ( -- noqa: ST03, the slices use it
    SELECT
        baskets.basket,
        products.product
    FROM items
    INNER JOIN baskets ON items.basket_id = baskets.basket_id
    INNER JOIN products ON items.product_id = products.product_id
    WHERE products.baskets >= $min_baskets
),

pairs AS (SELECT * FROM $pairs),

observed AS (
    SELECT
        a.product_id AS product_a,
        b.product_id AS product_b,
        pairs.baskets,
        total.baskets AS n,
        a.baskets AS with_a,
        b.baskets AS with_b,
        a.baskets - pairs.baskets AS only_a,
        b.baskets - pairs.baskets AS only_b,
        total.baskets - a.baskets - b.baskets + pairs.baskets AS neither,
        pairs.baskets * total.baskets / a.baskets / b.baskets AS lift
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
    -- A pair that is in every basket has the largest possible value.
    CASE WHEN baskets = n THEN 1 ELSE ln(lift) / -ln(baskets / n) END AS npmi,
    2 * sign(lift - 1) * (
        baskets * ln(lift)
        + CASE WHEN only_a > 0 THEN only_a * ln(only_a * n / with_a / (n - with_b)) ELSE 0 END
        + CASE WHEN only_b > 0 THEN only_b * ln(only_b * n / with_b / (n - with_a)) ELSE 0 END
        + CASE WHEN neither > 0 THEN neither * ln(neither * n / (n - with_a) / (n - with_b)) ELSE 0 END
    ) AS significance
FROM observed
