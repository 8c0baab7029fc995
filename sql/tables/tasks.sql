-- Tasks: every article with the verdict of the task filter (HowTo100M section 3.1).
CREATE TABLE tasks (
    task_id VARCHAR NOT NULL, -- id of the article that the task is
    title VARCHAR NOT NULL, -- title without "How to"
    category_1 VARCHAR NOT NULL, -- top WikiHow category, or Uncategorised
    category_2 VARCHAR, -- second-level category, where known
    verb VARCHAR, -- base form of the title's primary verb
    verb_entry VARCHAR, -- what was decided on: the verb, or it with words that follow it (verb_decisions.verb)
    source VARCHAR NOT NULL, -- where the row comes from; "synthetic" is generated data
    kept BOOLEAN NOT NULL, -- whether videos are searched for this task
    reason VARCHAR, -- why not, for a dropped task
    CHECK (kept = (reason IS NULL)),
    PRIMARY KEY (task_id)
);
