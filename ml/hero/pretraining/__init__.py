"""HERO's pre-training (section 3.2 of the paper): one module per task, and the training that draws among the tasks.

Every task has the same three parts. ``draw`` packs videos and hides or selects what the model must predict, with one
generator per video, so that the result does not depend on how the videos of a step are divided. ``rows`` runs the model
on such a batch. ``loss`` computes this process's part of the loss of the whole batch from its rows: ``all_gather``
returns the rows of all processes, and the parts add up to the loss that one process would compute from all videos.
"""
