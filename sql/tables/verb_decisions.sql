-- Whether a primary verb names a physical task, the origin of the decision, and the number of tasks with the verb.
CREATE TABLE verb_decisions (
    verb VARCHAR NOT NULL, -- a verb in base form, or a verb with words that follow it, such as "make money"
    decision VARCHAR NOT NULL CHECK (decision IN ('keep', 'drop')), -- whether its tasks are kept or dropped
    decided_by VARCHAR NOT NULL CHECK (decided_by IN ('person', 'list', 'class', 'undecided')), -- who or what decided
    classes VARCHAR, -- WordNet classes of the verb's first senses, most frequent first; NULL if not in WordNet
    tasks BIGINT NOT NULL CHECK (tasks >= 1), -- number of tasks of kept categories with this verb
    examples VARCHAR[] NOT NULL, -- titles of some of these tasks
    PRIMARY KEY (verb)
);
-- from tasks: verb = verb_entry, tasks = verb_entry, examples = title
