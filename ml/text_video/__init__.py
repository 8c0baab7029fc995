"""Text-video models that are read from files and not trained here: S3D of MIL-NCE, and models of open_clip."""
