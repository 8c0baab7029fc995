"""The lake: contracts of its tables (see ``tables``) and the versioned store of their rows (see ``store``)."""

from assets.lake.commits import Commit, Written
from assets.lake.store import Lake, LakeError
from assets.lake.tables import Column, Table, load_tables

__all__ = ["Column", "Commit", "Lake", "LakeError", "Table", "Written", "load_tables"]
