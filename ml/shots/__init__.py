"""Shot transitions from small frames."""
