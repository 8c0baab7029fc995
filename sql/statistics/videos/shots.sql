-- Shots by the transition that they begin with, and their length; the first shot of a video begins with none.
SELECT
    coalesce(transition, 'first shot') AS item,
    count(*) AS shots,
    count(*) / sum(count(*)) OVER () AS share,
    avg(end_s - start_s) AS mean_shot_s,
    median(end_s - start_s) AS median_shot_s,
    avg(transition_s) AS mean_transition_s
FROM shots
GROUP BY transition
ORDER BY shots DESC, item
