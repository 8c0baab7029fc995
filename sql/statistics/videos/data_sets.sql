-- Sizes of this data set and of published ones, with the paper of each. NULL: the paper does not report it.
WITH published (item, tasks, videos, clips, video_hours) AS (
    VALUES
    ('HowTo100M', 23611, 1220000, 136600000, 134472), -- arXiv 1906.03327
    ('How2', NULL, 13168, 185000, 298), -- arXiv 1906.03327
    ('LSMDC', NULL, NULL, 128000, NULL), -- arXiv 1906.03327
    ('YouCook2', NULL, 2000, NULL, NULL), -- arXiv 1906.03327
    ('CrossTask', 83, 4700, NULL, 376) -- arXiv 1903.08225
)

SELECT
    'this lake' AS item,
    (SELECT count(*) FROM tasks WHERE kept) AS tasks,
    (SELECT count(*) FROM videos WHERE kept) AS videos,
    (SELECT count(*) FROM clips) AS clips,
    (SELECT sum(duration_s) / 3600 FROM videos WHERE kept) AS video_hours
UNION ALL
SELECT
    item,
    tasks,
    videos,
    clips,
    video_hours
FROM published
