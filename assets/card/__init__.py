"""The data set card: one page that tells what a snapshot of the lake is, for those who did not make it."""
