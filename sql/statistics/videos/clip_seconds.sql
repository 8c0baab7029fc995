-- Distribution of clip lengths; the mean of HowTo100M is 4 s.
WITH whole_seconds AS (
    SELECT
        least(floor(end_s - start_s), 20) AS seconds,
        count(*) AS clips
    FROM clips
    GROUP BY ALL
)

SELECT
    if(seconds < 20, format('{:.0f} to {:.0f} s', seconds, seconds + 1), '20 s and more') AS item,
    sum(clips) AS clips,
    sum(clips) / sum(sum(clips)) OVER () AS share
FROM whole_seconds
GROUP BY seconds
ORDER BY seconds
