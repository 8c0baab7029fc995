-- Share of the candidate videos that the caption filters keep, with the main reasons for the rest.
-- asset: videos, severity: warn
WITH reasons AS (
    SELECT
        reason,
        count(*) AS dropped
    FROM videos
    WHERE NOT kept
    GROUP BY ALL
    ORDER BY dropped DESC, reason
    LIMIT 3
),

explained AS (
    SELECT
        dropped,
        dropped || ' × ' || reason || CASE
            WHEN reason LIKE '% words' THEN ' (HOWTO_MIN_WORDS)'
            WHEN reason LIKE '% views' THEN ' (HOWTO_MIN_VIEWS)'
            WHEN reason LIKE 'longer than %' THEN ' (HOWTO_MAX_DURATION_S)'
            WHEN reason LIKE 'captions: %' THEN ' (captions are read from files, or made by HOWTO_SPEECH_MODEL)'
            WHEN reason LIKE 'says what %' THEN ' (HOWTO_DUPLICATE_SIMILARITY)'
            ELSE ''
        END AS reason
    FROM reasons
)

SELECT
    avg(kept::INT) AS value,
    value >= 0.2 AS passed,
    count(*) FILTER (WHERE kept) || ' of ' || count(*) || ' kept; dropped: '
    || (SELECT string_agg(reason, ', ' ORDER BY dropped DESC) FROM explained) AS explanation
FROM videos
