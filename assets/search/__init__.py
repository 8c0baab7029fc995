"""What is said in videos, indexed by words and by meaning."""
