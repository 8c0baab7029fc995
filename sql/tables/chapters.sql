-- Chapters of videos: segments with a title by their creator, by lines of the description or by a follow-up release.
CREATE TABLE chapters (
    shard VARCHAR NOT NULL, -- video shard: crc32(video_id) mod the number of shards
    video_id VARCHAR NOT NULL, -- video id of the source
    source VARCHAR NOT NULL, -- where the chapters are listed: the player's list, the description or a release
    chapter_index BIGINT NOT NULL, -- position of the chapter in that list, from 0
    start_s DOUBLE CHECK (start_s >= 0), -- start of the chapter, seconds from the start of the video; NULL if unknown
    end_s DOUBLE, -- end of the chapter (exclusive), seconds from the start of the video; NULL if unknown
    title VARCHAR, -- title of the chapter; NULL if there is none
    kept BOOLEAN NOT NULL, -- whether the chapter is used; all kept chapters of a video have one source
    reason VARCHAR, -- why the chapter is not used; NULL if it is kept
    CHECK (source IN ('creator', 'description', 'vidchapters')),
    CHECK (kept = (reason IS NULL)),
    CHECK (NOT kept OR (title IS NOT NULL AND end_s > start_s)),
    PRIMARY KEY (shard, video_id, source, chapter_index)
);
-- from candidate_videos: video_id, end_s = duration_s
-- from video_metadata: start_s = description, title = description
