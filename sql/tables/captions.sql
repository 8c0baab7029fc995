-- Caption lines as the source shows them. Lines of speech recognition scroll, so consecutive lines may overlap.
CREATE TABLE captions (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- video id of the source
    line_index BIGINT NOT NULL, -- position of the line in its track, from 0
    start_s DOUBLE NOT NULL, -- start of the line, seconds from the start of the video
    end_s DOUBLE NOT NULL, -- end of the line, seconds from the start of the video
    text VARCHAR NOT NULL, -- text of the line
    word_starts_s DOUBLE[], -- start of each word of the line, split at spaces (seconds); NULL if unknown
    PRIMARY KEY (shard, video_id, line_index)
);
-- from candidate_videos: video_id
