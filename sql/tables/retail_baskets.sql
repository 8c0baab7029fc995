-- Transaction lines, one row per product in a basket.
CREATE TABLE retail_baskets (
    line BIGINT NOT NULL, -- position of the row in the source, from 0
    basket_id VARCHAR, -- basket id: one purchase at a store
    product_id VARCHAR, -- product id
    household_id VARCHAR, -- household id of the buyer
    store_id VARCHAR, -- store id
    quantity BIGINT, -- number of items bought
    sales_value DOUBLE, -- price paid, in the currency of the source
    purchased_on DATE, -- date of the purchase
    source VARCHAR NOT NULL, -- source of the row; the name of simulated data says so
    kept BOOLEAN NOT NULL, -- whether the line is used for the graph
    reason VARCHAR, -- why the row is left out; NULL if it is kept
    CHECK (kept = (reason IS NULL)),
    PRIMARY KEY (line)
);
