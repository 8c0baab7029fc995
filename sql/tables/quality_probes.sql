-- What people saw in randomly drawn clips and videos, as in HowTo100M, with 95 % confidence intervals.
CREATE TABLE quality_probes (
    probe VARCHAR NOT NULL, -- what was looked at: pairs (is the caption visible?) or videos (what kind is it?)
    label VARCHAR NOT NULL, -- the answer
    drawn BIGINT NOT NULL, -- items that were drawn
    labelled BIGINT NOT NULL CHECK (labelled <= drawn), -- items of them that have an answer
    items BIGINT NOT NULL CHECK (items <= labelled), -- items of them with this answer
    share DOUBLE, -- items / labelled; NULL as long as nothing is labelled
    share_low DOUBLE, -- lower end of Wilson's interval
    share_high DOUBLE, -- upper end of Wilson's interval
    PRIMARY KEY (probe, label)
);
