-- Shots by the transition that they begin with, and their length; the first shot of a video begins with none.
-- The median is to 0.1 s, from counts, which need little memory.
WITH counted AS (
    SELECT
        round(10 * (end_s - start_s))::INT AS tenths_of_s,
        coalesce(transition, 'first shot') AS item,
        count(*) AS shots,
        sum(end_s - start_s) AS shot_s,
        sum(transition_s) AS transition_s
    FROM shots
    GROUP BY ALL
),

ranked AS (
    SELECT
        *,
        sum(shots) OVER (PARTITION BY item ORDER BY tenths_of_s) AS shots_up_to_it,
        sum(shots) OVER (PARTITION BY item) AS shots_of_item
    FROM counted
)

SELECT
    item,
    sum(shots) AS shots,
    sum(shots) / sum(sum(shots)) OVER () AS share,
    sum(shot_s) / sum(shots) AS mean_shot_s,
    min(tenths_of_s) FILTER (WHERE shots_up_to_it >= 0.5 * shots_of_item) / 10 AS median_shot_s,
    sum(transition_s) / sum(shots) AS mean_transition_s
FROM ranked
GROUP BY item
ORDER BY shots DESC, item
