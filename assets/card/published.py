"""Published numbers of HowTo100M (arXiv 1906.03327, sections 3 and 4).

See ``sql/statistics/videos/data_sets.sql`` for the data sets that the paper compares, and ``ranks.sql`` for its subsets
by search rank.
"""

from __future__ import annotations

CATEGORIES: dict[str, tuple[int, int, int]] = {
    "Food and Entertaining": (11_504, 497_000, 54_400_000),
    "Home and Garden": (5_068, 270_000, 29_500_000),
    "Hobbies and Crafts": (4_273, 251_000, 29_800_000),
    "Cars & Other Vehicles": (810, 68_000, 7_800_000),
    "Pets and Animals": (552, 31_000, 3_500_000),
    "Holidays and Traditions": (411, 27_000, 3_000_000),
    "Personal Care and Style": (181, 16_000, 1_600_000),
    "Sports and Fitness": (205, 16_000, 2_000_000),
    "Health": (172, 15_000, 1_700_000),
    "Education and Communications": (239, 15_000, 1_600_000),
    "Arts and Entertainment": (138, 10_000, 1_200_000),
    "Computers and Electronics": (58, 5_000, 600_000),
}
"""Tasks, videos and clips of each category, as rounded in the paper."""

MEANS: dict[str, float] = {
    "mean_video_minutes": 6.5,
    "clips_per_video": 110,
    "mean_clip_s": 4,
    "words_without_stop_words": 4,
}
"""Means of the whole data set."""

PROBES: dict[tuple[str, str], float] = {
    ("pairs", "yes"): 0.51,
    ("videos", "instructional"): 0.71,
    ("videos", "vlog"): 0.12,
    ("videos", "advert"): 0.07,
}
"""Shares of the labels that people gave to 400 random pairs and 100 random videos."""
