-- Transaction lines: which product was in which basket.
CREATE TABLE retail_baskets (
    line BIGINT NOT NULL, -- position of the line in the source, from 0
    basket_id VARCHAR, -- basket (one visit to the till)
    product_id VARCHAR, -- product
    household_id VARCHAR, -- household that bought it
    store_id VARCHAR, -- store
    quantity BIGINT, -- number of items
    sales_value DOUBLE, -- what was paid for them, in the source's currency
    purchased_on DATE, -- day of the purchase
    source VARCHAR NOT NULL, -- where the row comes from; simulated data says so here
    kept BOOLEAN NOT NULL, -- whether the line counts for the graph
    reason VARCHAR, -- why not
    CHECK (kept = (reason IS NULL)),
    PRIMARY KEY (line)
);
