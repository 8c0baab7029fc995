"""HERO's downstream tasks for ``finetune``: batches of annotations with their videos, and evaluation.

See ``ml.hero.downstream`` for heads and losses, ``ml.metrics`` for metrics.
"""
