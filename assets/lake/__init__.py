"""The lake beneath every stage: table contracts (``tables``) and the versioned store that keeps them (``store``)."""

from assets.lake.store import Lake, LakeError, Written
from assets.lake.tables import Column, Table, load_tables

__all__ = ["Column", "Lake", "LakeError", "Table", "Written", "load_tables"]
