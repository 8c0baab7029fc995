-- Share of the articles that the task filter keeps, with the main reasons for the rest.
-- asset: tasks, severity: warn
WITH reasons AS (
    SELECT
        regexp_replace(reason, '^verb .* is ', 'its verb is ') AS reason,
        count(*) AS dropped
    FROM tasks
    WHERE NOT kept
    GROUP BY ALL
    ORDER BY dropped DESC, reason
    LIMIT 3
),

explained AS (
    SELECT
        dropped,
        dropped || ' × ' || reason || CASE
            WHEN reason LIKE 'category %' THEN ' (see HOWTO_CATEGORIES)'
            WHEN reason LIKE '%verb%' THEN ' (decide it in the review file of verbs)'
            WHEN reason LIKE 'title has no verb' THEN ' (name the task by a verb)'
            ELSE ''
        END AS reason
    FROM reasons
)

SELECT
    avg(kept::INT) AS value,
    value >= 0.1 AS passed,
    count(*) FILTER (WHERE kept) || ' of ' || count(*) || ' kept; dropped: '
    || (SELECT string_agg(reason, ', ' ORDER BY dropped DESC) FROM explained) AS explanation
FROM tasks
