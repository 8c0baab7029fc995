"""Means of the values that the steps of an epoch record."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class RunningMeans:
    """Means of the recorded values, each over the steps that recorded it.

    The sums stay on the device, so that a step does not wait for the device. Reading them does.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.dtype = torch.float32 if device.type == "mps" else torch.float64  # MPS has no float64
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = defaultdict(int)

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Record the values of a step."""
        for name, value in values.items():
            known = self.sums.get(name)
            added = value.detach().to(self.dtype)
            self.sums[name] = added if known is None else known + added
            self.counts[name] += 1

    def read(self) -> dict[str, float]:
        """The means so far."""
        return {name: total / self.counts[name] for name, total in self._totals().items()}

    def check(self, step: int) -> None:
        """Raise an error if a value was not finite.

        Raises:
            FloatingPointError: the message has the means.
        """
        means = self.read()
        if not all(map(math.isfinite, means.values())):
            raise FloatingPointError(
                f"step {step}: the means of the epoch so far are {means}; lower the learning rate or use precision no"
            )

    def state(self) -> dict[str, Any]:
        """What ``restore`` needs, as JSON values."""
        return {"sums": self._totals(), "counts": dict(self.counts)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from an earlier ``state``."""
        self.sums = {
            name: torch.tensor(total, dtype=self.dtype, device=self.device) for name, total in state["sums"].items()
        }
        self.counts.update(state["counts"])

    def _totals(self) -> dict[str, float]:
        if not self.sums:
            return {}
        totals: list[float] = torch.stack(list(self.sums.values())).tolist()
        return dict(zip(self.sums, totals, strict=True))
