-- Pairs of products that were bought together in at least the configured number of baskets.
CREATE TABLE co_purchases (
    product_a VARCHAR NOT NULL, -- product id; sorts before product_b
    product_b VARCHAR NOT NULL, -- product id
    baskets BIGINT NOT NULL CHECK (baskets >= 1), -- number of baskets that contain both products
    lift DOUBLE NOT NULL, -- lift: P(a, b) / (P(a) P(b)) over baskets
    npmi DOUBLE NOT NULL, -- normalised pointwise mutual information (Bouma 2009), -1 to 1
    significance DOUBLE NOT NULL, -- signed log-likelihood ratio G² (Dunning 1993); below 0 if rarer than by chance
    CHECK (product_a < product_b),
    PRIMARY KEY (product_a, product_b)
);
-- from retail_baskets: product_a = product_id, product_b = product_id, baskets = basket_id, lift = basket_id
-- from retail_baskets: npmi = basket_id, significance = basket_id
