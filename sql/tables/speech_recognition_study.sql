-- Comparison of the source's captions with speech recognition of the same videos: one row per video of a sample.
CREATE TABLE speech_recognition_study (
    video_id VARCHAR NOT NULL, -- video id of the source
    caption_source VARCHAR NOT NULL, -- track of the source: manual, by a person, or asr, which is no ground truth
    words BIGINT NOT NULL, -- words of the source's track, without sound tags
    recognised_words BIGINT NOT NULL, -- words that speech recognition has
    substitutions BIGINT NOT NULL, -- words of the track that were recognised as another word
    deletions BIGINT NOT NULL, -- words of the track that were not recognised
    insertions BIGINT NOT NULL, -- recognised words that the track does not have
    word_error_rate DOUBLE CHECK (word_error_rate >= 0), -- the three / words; NULL if the track has no words
    timed BOOLEAN NOT NULL, -- whether the track has times of words; otherwise words have equal shares of their line
    shift_s DOUBLE, -- median seconds by which recognised words begin later than the same words of the track
    shift_90_s DOUBLE, -- 90 % of these words differ by at most so many seconds
    PRIMARY KEY (video_id)
);
-- from captions: video_id, words = text, word_error_rate = text, shift_s = start_s
-- from caption_fetches: caption_source = source
