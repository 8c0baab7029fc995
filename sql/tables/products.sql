-- Products with their hierarchy.
CREATE TABLE products (
    line BIGINT NOT NULL, -- position of the product in the source, from 0
    product_id VARCHAR, -- product
    manufacturer_id VARCHAR, -- manufacturer
    department VARCHAR, -- department: the label of the product classifier
    brand VARCHAR, -- national or private brand
    product_category VARCHAR, -- category below the department
    product_type VARCHAR, -- type below the category
    package_size VARCHAR, -- size as printed on the package
    source VARCHAR NOT NULL, -- where the row comes from; simulated data says so here
    kept BOOLEAN NOT NULL, -- whether the product counts for the graph
    reason VARCHAR, -- why not
    CHECK (kept = (reason IS NULL)),
    PRIMARY KEY (line)
);
