"""Tags of runs and pools of assets that several modules refer to."""

REFRESH = "howto/refresh"
"""Tag of all runs of one refresh. Its value is the id of the refresh: of a job of the UI, the id of the job's run."""

PROCESS = ".dagster/howto/pid"
"""Tag of runs that a refresh executes on its own machine, hidden in the UI; its value is the id of the process."""

LAUNCHED_BY = "user"
"""Tag that the UI shows as "Launched by"."""

GPU_POOL = "gpu"
"""Pool of the assets that run networks; their steps get the GPUs of a cluster."""

CODE = "howto/code"
"""Tag of runs of automation and of a refresh: a hash of the code versions of all assets when the run was requested."""
