-- Whether each follow-up release has captions of each candidate video.
CREATE TABLE release_tracks (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    caption_source VARCHAR NOT NULL, -- name of the release
    video_id VARCHAR NOT NULL, -- video id of the source
    status VARCHAR NOT NULL CHECK (status IN ('ok', 'no_captions', 'failed')), -- outcome
    lines BIGINT NOT NULL CHECK (lines >= 0), -- captions that can be used
    word_count BIGINT NOT NULL CHECK (word_count >= 0), -- words in them
    spoken_language VARCHAR, -- language code of the speech, if not English and known; the captions are translated then
    set_aside BIGINT NOT NULL CHECK (set_aside >= 0), -- captions of the video that cannot be used
    error VARCHAR, -- why the first of them cannot be used; NULL if there is none
    PRIMARY KEY (shard, caption_source, video_id)
);
-- from candidate_videos: video_id
-- from release_captions: lines = line_index, word_count = text
