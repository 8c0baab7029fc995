"""What a model was made from: ``inputs.json`` in its folder.

It names the snapshot of the lake, the versions of the arrays, the settings, the code version, and the models that the
training read, with their own provenance. See `assets.lake.retention` for how long these stay readable.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assets.models.folder import MODEL_FILES, model_version

INPUTS = "inputs.json"


class ProvenanceError(Exception):
    """The provenance of a model is missing or cannot be read; the message names the file and the remedy."""


@dataclass(frozen=True)
class Provenance:
    """What one version of a model was made from.

    Attributes:
        snapshot: the lake's snapshot.
        arrays: version of each array below ``arrays`` by its path there.
        settings: variables other than the default, as text.
        models: the models that the training read, by name: version and provenance.
        files: SHA-256 of the files of the model that its version does not include, by name.
    """

    snapshot: int
    code_version: str | None = None
    run_id: str | None = None
    arrays: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, tuple[str, Provenance]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Provenance:
        """The provenance of the model in a folder.

        Raises:
            ProvenanceError: ``inputs.json`` is missing or broken.
        """
        path = folder / INPUTS
        try:
            return cls.of(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise ProvenanceError(f"{path}: not found; train the model with howto refresh") from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ProvenanceError(f"{path}: broken ({error}); howto refresh trains the model again") from error

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Provenance:
        """The provenance of a record of ``inputs.json``."""
        return cls(
            int(record["lake_snapshot"]),
            record.get("code_version"),
            record.get("run_id"),
            {name: int(version) for name, version in record.get("arrays", {}).items()},
            {name: str(value) for name, value in record.get("settings", {}).items()},
            {name: (each["version"], cls.of(each["inputs"])) for name, each in record.get("models", {}).items()},
            {name: str(each) for name, each in record.get("files", {}).items() if name in MODEL_FILES},
        )

    def chain(self) -> Iterator[Provenance]:
        """This provenance and those of the models that it names."""
        yield self
        for _, each in self.models.values():
            yield from each.chain()


def read_models(model_root: Path, names: Iterable[str]) -> dict[str, Any]:
    """Version and ``inputs.json`` of those models among ``names`` that have a readable provenance, for a record."""
    found = {}
    for name in names:
        if name in readable_provenances(model_root):
            inputs = json.loads((model_root / name / INPUTS).read_text(encoding="utf-8"))
            found[name] = {"version": model_version(model_root / name), "inputs": inputs}
    return found


def readable_provenances(model_root: Path) -> dict[str, Provenance]:
    """The provenance of each model below a folder; a model without a readable one is left out."""
    found = {}
    for path in sorted(model_root.glob(f"*/{INPUTS}")):
        try:
            found[path.parent.name] = Provenance.read(path.parent)
        except ProvenanceError:
            continue
    return found
