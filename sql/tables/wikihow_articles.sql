-- How-to articles, one row each. Tasks are derived from them.
CREATE TABLE wikihow_articles (
    article_id VARCHAR NOT NULL, -- article id of the source
    title VARCHAR NOT NULL, -- title without "How to"
    url VARCHAR, -- URL of the article; NULL if it has none
    categories VARCHAR[] NOT NULL, -- WikiHow categories, top level first
    source VARCHAR NOT NULL, -- source of the row; "synthetic" is generated data
    crawled_at TIMESTAMPTZ NOT NULL, -- time of reading (UTC)
    PRIMARY KEY (article_id)
);
