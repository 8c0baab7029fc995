"""HERO's downstream tasks for ``finetune``: annotations and videos become batches, a model learns and is measured.

Belongs here: one file a task, and what they share in ``examples.py`` and ``corpus.py``. Heads and losses lie in the
folder above, metrics in ``ml/metrics``.
"""
