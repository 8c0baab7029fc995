"""HERO (arXiv 2005.00200): a hierarchical transformer over video and subtitles, pre-trained and fine-tuned."""
