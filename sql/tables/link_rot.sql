-- Shares of the videos that are still available, with 95 % confidence intervals, per survey and group of videos.
CREATE TABLE link_rot (
    survey BIGINT NOT NULL, -- number of the survey, from 1
    grouping VARCHAR NOT NULL, -- what the videos are grouped by: all, category, age (since the upload) or state
    item VARCHAR NOT NULL, -- the group
    answered BIGINT NOT NULL, -- number of probed videos with an answer; of a state: number of videos in it
    unanswered BIGINT NOT NULL, -- number of probed videos without an answer
    available BIGINT NOT NULL, -- number of videos that can be watched; of a state: number of videos in it
    share DOUBLE, -- share of the answered videos that are available, or in the state; NULL if none is answered
    share_low DOUBLE, -- lower end of the interval of the share
    share_high DOUBLE, -- upper end of the interval of the share
    half_life_years DOUBLE, -- years until half of the videos are gone, at a constant rate; NULL if unknown or endless
    half_life_low DOUBLE, -- lower end of the interval of the half-life
    half_life_high DOUBLE, -- upper end of the interval of the half-life; NULL if endless
    CHECK (grouping IN ('all', 'category', 'age', 'state')),
    CHECK (share_low <= share AND share <= share_high),
    PRIMARY KEY (survey, grouping, item)
);
-- from availability: survey, answered = state, unanswered = state, available = state, share = state
-- from availability: share_low = state, share_high = state, half_life_years = state, half_life_years = checked_at
-- from videos: item = category_1, item = upload_date
-- from caption_fetches: half_life_years = fetched_at
