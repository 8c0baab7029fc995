"""The data set card: one page that describes a snapshot of the lake."""
