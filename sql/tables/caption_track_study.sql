-- Comparison of the caption tracks of the same held-out videos: the source's own and those of follow-up releases.
CREATE TABLE caption_track_study (
    caption_source VARCHAR NOT NULL, -- track: source for the clips of the lake, or the release
    videos BIGINT NOT NULL CHECK (videos >= 1), -- videos that have this track
    clips BIGINT NOT NULL CHECK (clips >= 1), -- clips of the track in these videos
    words_per_video DOUBLE NOT NULL, -- mean number of words per video
    distinct_words BIGINT NOT NULL, -- different words in all captions, in lower case
    clip_s DOUBLE NOT NULL CHECK (clip_s > 0), -- median length of a clip in seconds
    covered DOUBLE NOT NULL CHECK (covered BETWEEN 0 AND 1.000001), -- share of the videos' time that has a caption
    time_overlap DOUBLE CHECK (time_overlap BETWEEN 0 AND 1.000001), -- time with captions in both tracks / in either
    word_overlap DOUBLE CHECK (word_overlap BETWEEN 0 AND 1), -- words of a video in both tracks / in either, mean
    similarity DOUBLE, -- mean similarity of caption and clip by the model; NULL if no clip has features
    recall_at_1 DOUBLE CHECK (recall_at_1 BETWEEN 0 AND 1), -- text-to-video R@1, equal number of pairs per track
    recall_at_10 DOUBLE CHECK (recall_at_10 BETWEEN 0 AND 1), -- R@10 among the same pairs
    pairs BIGINT NOT NULL CHECK (pairs >= 0), -- clip-caption pairs that are ranked, of videos that have all tracks
    PRIMARY KEY (caption_source)
);
