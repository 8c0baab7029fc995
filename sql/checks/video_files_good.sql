-- Share of the video files that exist and can be opened.
-- asset: training_manifest, severity: warn
SELECT
    avg((status = 'ok')::INT) AS value,
    value >= 0.9 AS passed
FROM video_files
