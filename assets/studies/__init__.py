"""Choices side by side, each a table and a plot: made only when asked for, on validation data alone."""
