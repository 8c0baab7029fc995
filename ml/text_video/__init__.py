"""Models that put texts and clips into one space, behind one protocol. They are read from files, not trained."""
