-- Caption lines as the source shows them; windows of speech recognition roll, so neighbours may overlap.
CREATE TABLE captions (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- the source's id of the video
    line_index BIGINT NOT NULL, -- position of the line in its track, from 0
    start_s DOUBLE NOT NULL, -- when the line appears, seconds from the start of the video
    end_s DOUBLE NOT NULL, -- when the line disappears, seconds from the start of the video
    text VARCHAR NOT NULL, -- the line
    word_starts_s DOUBLE[], -- when each word of the line, split at blanks, is said (seconds); NULL: not told
    PRIMARY KEY (shard, video_id, line_index)
);
