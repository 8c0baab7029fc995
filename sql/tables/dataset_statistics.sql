-- The results of the queries in sql/statistics, one row a number.
CREATE TABLE dataset_statistics (
    subject VARCHAR NOT NULL, -- what is counted: videos or graph, a folder of sql/statistics
    statistic VARCHAR NOT NULL, -- file in that folder that computes it
    position BIGINT NOT NULL, -- position of the row in that query's result, from 0
    item VARCHAR NOT NULL, -- what the number is about: the query's first column
    measure VARCHAR NOT NULL, -- name of the number: the query's column, with its unit
    value DOUBLE, -- the number; NULL is unknown
    PRIMARY KEY (subject, statistic, position, measure)
);
