"""HERO (arXiv 2005.00200): data sets, heads, losses and fine-tuning. The encoders that feed the heads are to come."""
