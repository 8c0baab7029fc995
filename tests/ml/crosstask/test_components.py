"""The component model: its formulas by autograd, and that narration teaches it steps that it then finds by sight."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ml.crosstask.components import (
    ComponentModel,
    Config,
    assignment_gradient,
    assignment_loss,
    train_components,
    weakly_supervised,
)
from ml.crosstask.evaluation import Split, uniform
from ml.crosstask.files import CrossTask, Interval, Task, TaskVideo
from ml.metrics.localization import step_recall

TASKS = {
    "1": Task("1", "Drink", "u", ("pour milk", "cut lime", "pour juice")),
    "2": Task("2", "Cake", "u", ("cut cake", "pour milk")),
}


@pytest.mark.parametrize(("sharing", "components"), [("words", 6), ("task_words", 9), ("steps", 4), ("none", 5)])
def test_components_are_shared_as_configured(sharing: str, components: int) -> None:
    model = ComponentModel(4, TASKS, sharing).eval()  # type: ignore[arg-type]
    assert len(model.components) == components
    rows = torch.randn(5, 4)
    parts = model.linear(rows)
    if sharing == "words":
        row = model.components.index
        expected = (parts[:, row("cut")] + parts[:, row("lime")]) / 2
        assert torch.allclose(model(rows, "1")[:, 1], expected)
        assert torch.equal(model(rows, "1")[:, 0], model(rows, "2")[:, 1])


def test_the_closed_form_equals_second_derivatives() -> None:
    torch.manual_seed(0)
    config = Config(learning_rate=0.3, narration_weight=2.0)
    model = ComponentModel(6, TASKS).double()
    rows, outside = torch.randn(7, 6, dtype=torch.float64), torch.randint(2, (7, 3)).double()
    assigned = torch.rand(7, 3, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(1)
    loss = assignment_loss(model(rows, "1"), assigned, outside, config.narration_weight)
    gradients = torch.autograd.grad(loss, list(model.parameters()), create_graph=True)
    ahead = loss - 0.5 * config.learning_rate * sum((gradient**2).sum() for gradient in gradients)
    expected = torch.autograd.grad(ahead, assigned)[0]
    torch.manual_seed(1)  # the same dropout
    found = assignment_gradient(model, rows, "1", assigned.detach(), outside, config)
    assert torch.allclose(found, expected, atol=1e-12)


def test_no_tensor_of_the_model_stays_on_the_cpu() -> None:
    model = ComponentModel(6, TASKS).to("meta")  # computes shapes and devices only, so it needs no GPU
    assert {tensor.device.type for tensor in (*model.parameters(), *model.buffers())} == {"meta"}
    rows, assigned, outside = (torch.zeros(7, width, device="meta") for width in (6, 3, 3))
    loss = assignment_loss(model(rows, "1"), assigned, outside, 2.0)
    gradient = assignment_gradient(model, rows, "1", assigned, outside, Config())
    assert {loss.device.type, gradient.device.type} == {"meta"}


def kitchen(root: Path, videos: int = 10) -> tuple[CrossTask, Split]:
    """Videos in which a row of features looks like its word; the narration is off by up to three seconds."""
    data, rng = CrossTask(root), np.random.default_rng(0)
    data.write(TASKS.values(), [])
    words = sorted({word for task in TASKS.values() for step in task.steps for word in step.split()})
    every = [TaskVideo(task_id, f"{task_id}{n}", "u") for task_id in TASKS for n in range(videos)]
    for video in every:
        steps = TASKS[video.task_id].steps
        features = 0.1 * rng.normal(size=(40, len(words)))
        intervals = []
        for number, start in enumerate(np.sort(rng.choice(np.arange(3, 36, 4), len(steps), replace=False))):
            for word in steps[number].split():
                features[start : start + 2, words.index(word)] += 1
            intervals.append(Interval(number, float(start), float(start) + 2))
        said = [i._replace(start_s=max(i.start_s - rng.integers(4), 0), end_s=i.end_s + 3) for i in intervals]
        data.write_video(video, features, said, intervals)
    data.write_lists(every, [])
    return data, Split(every[::2], every[1::2])


def test_narration_teaches_to_find_steps(tmp_path: Path) -> None:
    data, split = kitchen(tmp_path)
    found = weakly_supervised(data, split, Config(learning_rate=0.03, random_epochs=3, epochs=5))
    baseline = step_recall(uniform(data, split.test).hits.values())
    assert step_recall(found.hits.values())["recall_pooled"] > 0.8 > 2 * baseline["recall_pooled"]


def test_the_same_inputs_give_the_same_model(tmp_path: Path) -> None:
    data, split = kitchen(tmp_path, videos=4)
    config, losses = Config(learning_rate=0.03, random_epochs=2, epochs=2), []
    one = train_components(data, TASKS, split.training, config, lambda entry: losses.append(entry["loss"]))
    again = train_components(data, TASKS, split.training, config)
    assert torch.equal(one.linear.weight, again.linear.weight)
    assert len(losses) == 4 and all(np.isfinite(losses))


def test_no_usable_video_is_an_error(tmp_path: Path) -> None:
    data, _ = kitchen(tmp_path, videos=1)
    with pytest.raises(ValueError, match="none of 1 videos"):
        train_components(data, TASKS, [TaskVideo("1", "gone", "")], Config())
