-- Whether a primary verb names a physical task, who decided it, and how many tasks hang on it.
CREATE TABLE verb_decisions (
    verb VARCHAR NOT NULL, -- a verb in base form, or one with words that follow it, as "make money"
    decision VARCHAR NOT NULL CHECK (decision IN ('keep', 'drop')), -- what becomes of its tasks
    decided_by VARCHAR NOT NULL CHECK (decided_by IN ('person', 'list', 'class', 'undecided')), -- who decided
    classes VARCHAR, -- WordNet's classes of the verb's first senses, most frequent first; NULL for unknown verbs
    tasks BIGINT NOT NULL CHECK (tasks >= 1), -- tasks of kept categories with this verb
    examples VARCHAR[] NOT NULL, -- some of their titles
    PRIMARY KEY (verb)
);
