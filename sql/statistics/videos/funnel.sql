-- Number of rows that each filter keeps and drops, by reason.
WITH verdicts AS (
    SELECT
        '1 tasks' AS stage,
        -- One row for all verbs; the table verb_decisions has a row per verb.
        regexp_replace(reason, '^verb .* is ', 'its verb is ') AS reason
    FROM tasks
    UNION ALL
    SELECT
        '2 candidate videos' AS stage,
        reason
    FROM candidate_videos
    UNION ALL
    SELECT
        '3 videos' AS stage,
        reason
    FROM videos
    UNION ALL
    SELECT
        '4 video files' AS stage,
        nullif(status, 'ok') AS reason
    FROM video_files
    UNION ALL
    SELECT
        '5 features' AS stage,
        nullif(status, 'ok') AS reason
    FROM feature_index
    UNION ALL
    SELECT
        '6 clips' AS stage,
        -- One row for all originals; the table visual_duplicates names them.
        regexp_replace(reason, '^shows what .* shows$', 'shows what another video shows') AS reason
    FROM clip_quality
)

SELECT
    stage || ': ' || coalesce(reason, 'kept') AS item,
    count(*) AS row_count,
    count(*) / sum(count(*)) OVER (PARTITION BY stage) AS share_of_stage
FROM verdicts
GROUP BY stage, reason
ORDER BY stage, row_count DESC, item
