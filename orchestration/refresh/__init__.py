"""Bring assets up to date: run what is missing, out of date or damaged, and nothing else.

See ``plan`` for what has to run and why, ``run`` for running it, ``lock`` for what two processes must not do at once.
"""

from orchestration.refresh.lock import RefreshError
from orchestration.refresh.plan import Plan, Step
from orchestration.refresh.run import Refresh, refresh_lake

__all__ = ["Plan", "Refresh", "RefreshError", "Step", "refresh_lake"]
