"""The cause of a failed step."""

from __future__ import annotations

import dagster as dg

NO_REASON = "no reason is recorded"


def innermost_error(event: dg.DagsterEvent) -> str:
    """The message of the first error in the chain of causes of a failed step."""
    error = event.step_failure_data.error
    while error and error.cause:
        error = error.cause
    return error.message.strip() if error else NO_REASON
