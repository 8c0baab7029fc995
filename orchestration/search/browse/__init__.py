"""The page on which people see kept and dropped videos and clips, try thresholds and write labels."""
