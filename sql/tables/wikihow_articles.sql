-- How-to articles, one row each: what tasks are made from.
CREATE TABLE wikihow_articles (
    article_id VARCHAR NOT NULL, -- the source's id of the article
    title VARCHAR NOT NULL, -- title without "How to"
    url VARCHAR, -- address of the article, where it has one
    categories VARCHAR[] NOT NULL, -- WikiHow categories, top level first
    source VARCHAR NOT NULL, -- where the row comes from; "synthetic" is generated data
    crawled_at TIMESTAMPTZ NOT NULL, -- when the row was read (UTC)
    PRIMARY KEY (article_id)
);
