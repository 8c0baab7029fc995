-- Results of the queries in sql/statistics, one row per number.
CREATE TABLE dataset_statistics (
    subject VARCHAR NOT NULL, -- videos or graph: a folder of sql/statistics
    statistic VARCHAR NOT NULL, -- file in that folder
    position BIGINT NOT NULL, -- row of the query's result, from 0
    item VARCHAR NOT NULL, -- first column of the query: what the number describes
    measure VARCHAR NOT NULL, -- column of the query: name of the number, with its unit
    value DOUBLE, -- value; NULL if unknown
    PRIMARY KEY (subject, statistic, position, measure)
);
