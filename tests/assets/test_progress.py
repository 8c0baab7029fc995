"""Lines about progress: how often, how much, and how long the rest takes."""

from __future__ import annotations

import pytest

from assets.progress import CountedProgress, TrainingProgress, duration


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_loop_logs_every_30_seconds_with_the_expected_rest() -> None:
    clock, lines = Clock(), list[str]()
    progress = CountedProgress(lines.append, 500, "videos", clock=clock)
    for _ in progress.over(range(500)):
        clock.now += 0.5
    assert len(lines) == 8
    assert lines[0] == "60 of 500 videos, about 4 min left"
    assert lines[-1] == "480 of 500 videos, about 10 s left"


def test_a_short_loop_logs_nothing() -> None:
    lines = list[str]()
    list(CountedProgress(lines.append, 3, "videos", clock=Clock()).over("abc"))
    assert lines == []


def test_the_number_of_epochs_may_be_given_once() -> None:
    lines = list[str]()
    TrainingProgress(lines.append, of=3, clock=Clock())({"epoch": 1, "loss": 0.5})
    assert lines == ["epoch 1 of 3, loss 0.5"]


def test_a_resumed_training_expects_its_rest_by_its_own_pace() -> None:
    clock, lines = Clock(), list[str]()
    progress = TrainingProgress(lines.append, clock=clock)
    for epoch in (21, 22, 40):
        progress({"epoch": epoch, "loss": 0.25, "of": 40})
        clock.now += 10
    progress({"epoch": 1, "loss": 0.5})
    assert lines == [
        "epoch 21 of 40, loss 0.25",
        "epoch 22 of 40, loss 0.25, about 3 min left",
        "epoch 40 of 40, loss 0.25",
        "epoch 1, loss 0.5",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (240, "4 min"), (5400, "1 h 30 min"), (7800, "2 h 10 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
