-- Videos up to a search rank, next to the subset sizes of HowTo100M's experiment on scale.
WITH cuts AS (
    SELECT
        unnest([2, 3, 5, 10, 20, 40, 80, 200]) AS top,
        unnest([15000, 28000, 52000, 104000, 197000, 364000, 648000, 1220000]) AS videos_in_howto100m
),

ranked AS (
    SELECT
        rank,
        count(*) AS videos
    FROM videos
    WHERE kept
    GROUP BY rank
)

SELECT
    'top ' || cuts.top AS item,
    coalesce(sum(ranked.videos), 0) AS videos,
    coalesce(sum(ranked.videos), 0) / (SELECT count(*) FROM videos WHERE kept) AS share,
    any_value(cuts.videos_in_howto100m) AS videos_in_howto100m
FROM cuts
LEFT JOIN ranked ON cuts.top >= ranked.rank
GROUP BY cuts.top
ORDER BY cuts.top
