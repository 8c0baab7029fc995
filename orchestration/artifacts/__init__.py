"""What assets store, behind one protocol: tables, arrays, models, the card. See `registry` for which asset is what."""

from orchestration.artifacts.protocol import Artifact, Resources
from orchestration.artifacts.registry import (
    artifact_of,
    contract_of,
    damage,
    damaged_partitions,
    repair,
    stored_version,
    wrong_content,
)

__all__ = [
    "Artifact",
    "Resources",
    "artifact_of",
    "contract_of",
    "damage",
    "damaged_partitions",
    "repair",
    "stored_version",
    "wrong_content",
]
