"""Named selections of assets: what each job refreshes. See `selection` for selections that a user writes."""

STUDIES = 'tag:"stage"="studies"'

EVERYTHING = f"not ({STUDIES}) and not group:hero_tasks and not group:availability"
"""The default of a refresh: all but studies and fine-tunings, which take longer, and surveys of availability."""

SELECTIONS = {
    "collect": "group:sources or group:tasks or group:videos or group:captions",
    "build_features": "group:media or group:features",
    "train": "group:joint_embedding or group:joint_embedding_evaluation or group:hero"
    ' or group:sources_synthetic or group:graph_evaluation or key:"cluster_gcn"',
    "fine_tune": "group:hero_tasks",
    "everything": EVERYTHING,
    "study": STUDIES,
}
"""Dagster asset selections by the name of their job."""
