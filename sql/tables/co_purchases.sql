-- Pairs of products bought together in at least the set number of baskets.
CREATE TABLE co_purchases (
    product_a VARCHAR NOT NULL, -- product; before product_b in order
    product_b VARCHAR NOT NULL, -- product
    baskets BIGINT NOT NULL CHECK (baskets >= 1), -- baskets that hold both
    lift DOUBLE NOT NULL, -- P(a, b) / (P(a) P(b)) over baskets
    npmi DOUBLE NOT NULL, -- normalised pointwise mutual information (Bouma 2009), -1 to 1
    significance DOUBLE NOT NULL, -- log-likelihood ratio G² (Dunning 1993); below 0 where rarer than chance
    CHECK (product_a < product_b),
    PRIMARY KEY (product_a, product_b)
);
