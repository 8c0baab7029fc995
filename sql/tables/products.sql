-- Products with their product hierarchy.
CREATE TABLE products (
    line BIGINT NOT NULL, -- position of the row in the source, from 0
    product_id VARCHAR, -- product id
    manufacturer_id VARCHAR, -- manufacturer id
    department VARCHAR, -- department; the label of the product classifier by default
    brand VARCHAR, -- brand: national or private
    product_category VARCHAR, -- product category, below the department
    product_type VARCHAR, -- product type, below the category
    package_size VARCHAR, -- package size as printed on the package
    source VARCHAR NOT NULL, -- source of the row; the name of simulated data says so
    kept BOOLEAN NOT NULL, -- whether the product is used for the graph
    reason VARCHAR, -- why the row is left out; NULL if it is kept
    CHECK (kept = (reason IS NULL)),
    PRIMARY KEY (line)
);
