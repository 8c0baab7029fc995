-- What is measured of each clip, and whether the limits that are set keep it. By default no limit is set.
CREATE TABLE clip_quality (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- video id of the source
    clip_index BIGINT NOT NULL, -- position of the clip in its video, from 0
    cuts BIGINT, -- changes of shot within the clip; NULL if the video cannot be decoded
    brightness DOUBLE, -- mean brightness of its seconds, 0 to 1; NULL if the video cannot be decoded
    sharpness DOUBLE, -- mean variance of the Laplacian of its seconds; NULL if the video cannot be decoded
    motion DOUBLE, -- mean change of colours from second to second, 0 to 1; NULL if the video cannot be decoded
    words_per_s DOUBLE NOT NULL, -- words of the caption per second of the clip
    spoken_language VARCHAR, -- language of the caption and its two neighbours on each side; NULL if below five words
    spoken_language_probability DOUBLE, -- confidence of that language, 0 to 1
    kept BOOLEAN NOT NULL, -- whether the clip becomes a training pair
    reason VARCHAR, -- first limit that the clip fails; NULL if it is kept
    CHECK (kept = (reason IS NULL)),
    PRIMARY KEY (shard, video_id, clip_index)
);
-- from clips: shard, video_id, clip_index, words_per_s = word_count, spoken_language = caption
-- from shots: cuts = start_s
-- from frame_statistics: brightness, sharpness, motion
