-- Videos by best search rank, ten ranks per row.
SELECT
    format('{:d} to {:d}', (rank - 1) // 10 * 10 + 1, (rank - 1) // 10 * 10 + 10) AS item,
    count(*) AS videos,
    count(*) / sum(count(*)) OVER () AS share
FROM videos
WHERE kept
GROUP BY (rank - 1) // 10
ORDER BY (rank - 1) // 10
