-- Captions of the follow-up releases for the candidate videos: transcripts, sentences, written captions and chapters.
CREATE TABLE release_captions (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    caption_source VARCHAR NOT NULL, -- name of the release
    video_id VARCHAR NOT NULL, -- video id of the source
    line_index BIGINT NOT NULL, -- position of the caption in its track by start, from 0
    start_s DOUBLE NOT NULL CHECK (start_s >= 0), -- start of the caption, seconds from the start of the video
    end_s DOUBLE NOT NULL, -- end of the caption, seconds from the start of the video; captions may overlap
    text VARCHAR NOT NULL, -- text of the caption
    word_starts_s DOUBLE[], -- start of each word of the caption, split at spaces (seconds); NULL if unknown
    score DOUBLE, -- similarity of caption and video that the release gives; NULL if it gives none
    CHECK (end_s > start_s),
    PRIMARY KEY (shard, caption_source, video_id, line_index)
);
-- from candidate_videos: video_id
