"""Tags of runs and pools of assets that several modules refer to."""

REFRESHED = ".dagster/howto/pid"
"""Tag of runs that a refresh started, hidden in the UI; its value is the id of the process."""

GPU_POOL = "gpu"
"""Pool of the assets that run networks; their steps get the GPUs of a cluster."""

CODE = "howto/code"
"""Tag of runs of automation and of a refresh: a hash of the code versions of all assets when the run was requested."""
