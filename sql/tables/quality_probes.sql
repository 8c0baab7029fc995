-- Labels by people for randomly sampled clips and videos, as in HowTo100M, and re-uploads; 95 % confidence intervals.
CREATE TABLE quality_probes (
    probe VARCHAR NOT NULL, -- pairs (caption visible?), videos (which kind?), or a table of re-uploads (the same?)
    label VARCHAR NOT NULL, -- one of the answers to the question
    drawn BIGINT NOT NULL, -- sampled items
    labelled BIGINT NOT NULL CHECK (labelled <= drawn), -- sampled items that have a label
    items BIGINT NOT NULL CHECK (items <= labelled), -- sampled items with this label
    share DOUBLE, -- items / labelled; NULL if nothing is labelled
    share_low DOUBLE, -- lower bound of the Wilson interval
    share_high DOUBLE, -- upper bound of the Wilson interval
    PRIMARY KEY (probe, label)
);
