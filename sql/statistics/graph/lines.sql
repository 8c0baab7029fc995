-- Transaction lines: how many are used for the graph, and why the others are not.
SELECT
    coalesce(reason, 'kept') AS reason,
    count(*) AS line_count,
    count(DISTINCT basket_id) AS baskets
FROM retail_baskets
GROUP BY ALL
ORDER BY line_count DESC, reason
