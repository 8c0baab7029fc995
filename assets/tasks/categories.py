"""Top categories of how-to articles."""

WIKIHOW_CATEGORIES = (
    "Food and Entertaining",
    "Home and Garden",
    "Hobbies and Crafts",
    "Cars & Other Vehicles",
    "Pets and Animals",
    "Holidays and Traditions",
    "Personal Care and Style",
    "Sports and Fitness",
    "Health",
    "Education and Communications",
    "Arts and Entertainment",
    "Computers and Electronics",
)
"""The 12 top-level categories of physical tasks (HowTo100M section 3.1)."""

UNCATEGORISED = "Uncategorised"
"""Top category of a video whose source names no WikiHow category."""
