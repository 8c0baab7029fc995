"""Bring assets up to date: run what is missing, out of date or damaged, and nothing else.

See ``plan`` for what has to run and why, ``order`` for what can run, ``run`` for running it, ``workers`` and
``launched`` for where, ``lock`` for what two refreshes must not do at once.
"""

from orchestration.refresh.lock import RefreshError
from orchestration.refresh.plan import Plan, Step
from orchestration.refresh.run import Refresh, refresh_lake
from orchestration.refresh.workers import jobs_at_once

__all__ = ["Plan", "Refresh", "RefreshError", "Step", "jobs_at_once", "refresh_lake"]
