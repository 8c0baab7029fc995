"""Localisation of chapters: the windows, a model that knows what each second shows, and random windows."""

from __future__ import annotations

import numpy as np
import pytest

from assets.features.reader import FeatureReader
from assets.joint_embedding.evaluation.chapters import CHANCE, localised, windows
from assets.videos.chapters import Chapter
from tests.assets.joint_embedding.test_follow_ups import ACTIONS, SECONDS, Actions, features

__all__ = ["features"]


@pytest.mark.parametrize(("duration_s", "lengths"), [(3.0, {3.0}), (8.0, {8.0}), (40.0, {8.0, 16.0, 32.0})])
def test_windows_are_within_the_video_and_of_doubling_lengths(duration_s: float, lengths: set[float]) -> None:
    found = windows(duration_s)
    assert set(np.diff(found).ravel()) == lengths
    assert found.min() == 0 and found.max() <= duration_s


def test_a_model_that_sees_the_action_finds_its_chapter(features: FeatureReader) -> None:
    each = SECONDS / len(ACTIONS)
    steps = [Chapter(each * n, each * (n + 1), f"now {action} it") for n, action in enumerate(ACTIONS)]
    others = [Chapter(0, 96, ACTIONS[0]), Chapter(50, 60, "welcome")]
    model = Actions()
    found, left_out = localised(model, features, {"a": [*steps, *others], "gone": steps})
    assert left_out == {"no features": 1, "no known word": 1}
    assert found[model.identity]["queries"] == len(ACTIONS)
    assert found[model.identity]["R@1_IoU=0.3"] == 1, "the best window is within the action"
    chance = found[CHANCE]
    assert 0 < chance["R@1_IoU=0.5"] < chance["R@1_IoU=0.3"] < 1 and chance["R@1_5s"] < chance["R@1_10s"]
    # A chapter of the same title elsewhere is right as well.
    twice = [steps[0], Chapter(each * 3, each * 4, steps[0].title)]
    assert localised(model, features, {"a": twice})[0][model.identity]["queries"] == 1
    assert localised(model, features, {"a": others[:1]})[0] == {}, "nearly the whole video localises nothing"
