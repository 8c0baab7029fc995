"""Suffixes of video files, in one place."""

VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts"),
        *(".mpg", ".mpeg", ".wmv", ".flv", ".ogv"),
    }
)
"""Suffixes, in lower case, of the files that are taken for videos."""
