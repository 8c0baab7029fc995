-- What is measured of each clip of a shard: cuts, means of its seconds, speech rate, and the text around it.
WITH seen AS (
    SELECT
        clips.video_id,
        clips.clip_index,
        avg(frame_statistics.brightness) AS brightness,
        avg(frame_statistics.sharpness) AS sharpness,
        avg(frame_statistics.motion) AS motion
    FROM clips
    INNER JOIN frame_statistics
        ON
            clips.video_id = frame_statistics.video_id
            AND frame_statistics.second BETWEEN floor(clips.start_s) AND greatest(
                floor(clips.start_s), ceil(clips.end_s) - 1
            )
    GROUP BY clips.video_id, clips.clip_index
),

decoded AS (
    SELECT DISTINCT video_id FROM shots
),

changes AS (
    SELECT
        clips.video_id,
        clips.clip_index,
        count(*) AS cuts
    FROM clips
    INNER JOIN shots
        ON
            clips.video_id = shots.video_id
            AND shots.shot_index > 0
            AND clips.start_s < shots.start_s
            AND clips.end_s > shots.start_s
    GROUP BY clips.video_id, clips.clip_index
)

SELECT
    clips.shard,
    clips.video_id,
    clips.clip_index,
    seen.brightness,
    seen.sharpness,
    seen.motion,
    if(decoded.video_id IS NULL, NULL, coalesce(changes.cuts, 0)) AS cuts,
    clips.word_count / (clips.end_s - clips.start_s) AS words_per_s,
    string_agg(clips.caption, ' ') OVER (
        PARTITION BY clips.video_id
        ORDER BY clips.clip_index
        ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING
    ) AS text
FROM clips
LEFT JOIN seen ON clips.video_id = seen.video_id AND clips.clip_index = seen.clip_index
LEFT JOIN changes ON clips.video_id = changes.video_id AND clips.clip_index = changes.clip_index
LEFT JOIN decoded ON clips.video_id = decoded.video_id
ORDER BY clips.video_id, clips.clip_index
