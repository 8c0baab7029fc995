-- Labels of the nodes by split, the majority class first; nodes without a label by reason.
SELECT
    coalesce(label, 'no label: ' || reason) AS item,
    count(*) AS nodes,
    count(*) / sum(count(*)) OVER () AS share,
    count(*) FILTER (WHERE split = 'train') AS train,
    count(*) FILTER (WHERE split = 'validation') AS validation,
    count(*) FILTER (WHERE split = 'test') AS test
FROM graph_nodes
GROUP BY label, reason
ORDER BY (label IS NULL), nodes DESC, item
