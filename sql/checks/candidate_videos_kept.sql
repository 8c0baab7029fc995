-- Share of the search results that the filters before captions keep, with the main reasons for the rest.
-- asset: candidate_videos, severity: warn
WITH reasons AS (
    SELECT
        reason,
        count(*) AS dropped
    FROM candidate_videos
    WHERE NOT kept
    GROUP BY ALL
    ORDER BY dropped DESC, reason
    LIMIT 3
),

explained AS (
    SELECT
        dropped,
        dropped || ' × ' || reason || CASE
            WHEN reason LIKE '% views' THEN ' (HOWTO_MIN_VIEWS)'
            WHEN reason LIKE 'longer than %' THEN ' (HOWTO_MAX_DURATION_S)'
            WHEN reason LIKE 'rank above %' THEN ' (HOWTO_TOP_RESULTS)'
            WHEN reason LIKE 'evaluates %' THEN ' (HOWTO_EVALUATION_LISTS)'
            ELSE ''
        END AS reason
    FROM reasons
)

SELECT
    avg(kept::INT) AS value,
    value >= 0.2 AS passed,
    count(*) FILTER (WHERE kept) || ' of ' || count(*) || ' kept; dropped: '
    || (SELECT string_agg(reason, ', ' ORDER BY dropped DESC) FROM explained) AS explanation
FROM candidate_videos
