"""The search page: a text query in, moments of videos out. It reads the lake and its models, and writes nothing."""
