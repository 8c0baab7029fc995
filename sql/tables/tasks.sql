-- Tasks: every article with the result of the task filter (HowTo100M, section 3.1).
CREATE TABLE tasks (
    task_id VARCHAR NOT NULL, -- id of the article
    title VARCHAR NOT NULL, -- title without "How to"
    category_1 VARCHAR NOT NULL, -- top WikiHow category, or Uncategorised
    category_2 VARCHAR, -- second-level category; NULL if unknown
    verb VARCHAR, -- base form of the primary verb of the title
    verb_entry VARCHAR, -- the verb that was judged, or the verb with words that follow it (verb_decisions.verb)
    source VARCHAR NOT NULL, -- source of the row; "synthetic" is generated data
    kept BOOLEAN NOT NULL, -- whether videos are searched for the task
    reason VARCHAR, -- why a dropped task was dropped
    CHECK (kept = (reason IS NULL)),
    PRIMARY KEY (task_id)
);
-- from wikihow_articles: task_id = article_id, title, category_1 = categories, category_2 = categories
-- from wikihow_articles: verb = title, verb_entry = title, source
