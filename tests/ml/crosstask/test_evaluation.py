"""CrossTask's files, recalls and protocols on small made-up tasks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ml.crosstask.evaluation import (
    localise,
    mean_of_splits,
    random_split,
    recall_over_splits,
    second_vectors,
    similarity_costs,
    uniform,
    zero_shot,
)
from ml.crosstask.files import CrossTask, Interval, Task, TaskVideo, read_intervals, read_tasks, step_mask
from ml.joint_embedding.model import JointEmbedding
from ml.metrics.localization import StepHits, recall_of_tasks, step_hits, step_recall
from ml.text.word_vectors import WordVectors

STEPS = ("cut lime", "pour juice", "add ice")
ANNOTATION = [Interval(0, 2.0, 4.5), Interval(2, 8.2, 9.0)]


def write(root: Path, videos: int = 5) -> CrossTask:
    """One annotated task whose features say which step a second shows, and one related task."""
    data = CrossTask(root)
    data.write([Task("1", "Drink", "u", STEPS)], [Task("2", "Other", "u", ("wait",))])
    every = [TaskVideo("1", f"v{number}", "url") for number in range(videos)] + [TaskVideo("2", "w", "url")]
    data.write_lists(every, every[:1])
    for video in every:
        features = np.zeros((12, 4), np.float32)
        features[:, 3] = 1
        if video.task_id == "1":
            for step, start_s, _ in ANNOTATION:
                features[int(start_s)] = np.eye(4)[step]
        data.write_video(video, features, ANNOTATION[:1], ANNOTATION if video.task_id == "1" else None)
    return data


def test_files_are_read_as_written(tmp_path: Path) -> None:
    data = write(tmp_path)
    assert data.primary() == {"1": Task("1", "Drink", "u", STEPS)} and list(data.related()) == ["2"]
    text = (tmp_path / "crosstask_release" / "tasks_primary.txt").read_text()
    assert text == "1\nDrink\nu\n3\ncut lime,pour juice,add ice\n\n"
    assert [video.video_id for video in data.videos()] == ["v1", "v2", "v3", "v4", "w"]  # v0 is for validation
    video = data.videos()[0]
    assert data.annotation(video) == ANNOTATION and data.constraint(video) == ANNOTATION[:1]
    assert data.annotation(data.videos()[-1]) is None
    assert (tmp_path / "crosstask_release/annotations/1_v1.csv").read_text() == "1,2.0,4.5\n3,8.2,9.0\n"
    assert data.features(video).shape == (12, 4)


def test_a_second_belongs_to_a_step_that_touches_it() -> None:
    mask = step_mask(ANNOTATION, 12, 3)
    assert np.flatnonzero(mask[:, 0]).tolist() == [2, 3, 4] and np.flatnonzero(mask[:, 2]).tolist() == [8]
    assert not mask[:, 1].any()
    with pytest.raises(ValueError, match="step 3 of a task of 2"):
        step_mask(ANNOTATION, 12, 2)


def test_bad_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("1\nDrink\nu\n2\ncut lime,pour juice,add ice\n\n")
    with pytest.raises(ValueError, match=r"t.txt:1: task 1 is said to have 2 steps and lists 3"):
        read_tasks(tmp_path / "t.txt")
    (tmp_path / "t.txt").write_text("1\nDrink\nu\n")
    with pytest.raises(ValueError, match=r"t.txt:1: need id"):
        read_tasks(tmp_path / "t.txt")
    (tmp_path / "a.csv").write_text("1,2.0,3.0\n1,soon,3.0\n")
    with pytest.raises(ValueError, match=r"a.csv:2: 'soon' is no number of seconds"):
        read_intervals(tmp_path / "a.csv")
    data = write(tmp_path)
    data.write_video(data.videos()[0], np.full((3, 4), np.nan), [], None)
    with pytest.raises(ValueError, match=r"v1.npy"):
        data.features(data.videos()[0])


def test_recalls_pooled_and_per_video_over_tasks() -> None:
    truth = step_mask(ANNOTATION, 12, 3)
    assert step_hits("a", np.array([2, 5, 9]), truth) == StepHits("a", found=1, present=2)
    hits = [StepHits("a", 1, 2), StepHits("a", 1, 1), StepHits("a", 0, 0), StepHits("b", 0, 4), StepHits("b", 1, 1)]
    assert recall_of_tasks(hits)["a"] == {"recall_pooled": 2 / 3, "recall_per_video": 0.75, "videos": 2}
    assert step_recall(hits) == pytest.approx(
        {"recall_pooled": (2 / 3 + 1 / 5) / 2, "recall_per_video": (0.75 + 0.5) / 2, "queries": 4}
    )
    with pytest.raises(ValueError, match="no video with an annotated step"):
        step_recall([StepHits("a", 0, 0)])


def test_exact_costs_find_every_step_and_other_videos_have_a_reason(tmp_path: Path) -> None:
    data = write(tmp_path)
    videos = [video for video in data.videos() if video.task_id == "1"]

    def seen(task: Task, rows: NDArray[np.floating]) -> NDArray[np.floating]:
        return -rows[:, : len(task.steps)]

    found = localise(data, data.primary(), videos, seen, block=2)
    assert step_recall(found.hits.values()) == {"recall_pooled": 1, "recall_per_video": 1, "queries": 4}
    assert step_recall(uniform(data, videos).hits.values())["recall_pooled"] < 1
    (tmp_path / "crosstask_features/v1.npy").unlink()
    (tmp_path / "crosstask_release/annotations/1_v2.csv").unlink()
    data.write_video(videos[2], np.zeros((2, 4)), [], ANNOTATION)
    found = localise(data, data.primary(), videos, seen)
    assert list(found.left_out.values()) == ["no features", "no annotation", "2 seconds are too few for 3 steps"]
    assert [video.video_id for video in found.hits] == ["v4"]


def test_splits_train_on_thirty_videos_of_each_annotated_task() -> None:
    videos = [
        TaskVideo(task, f"{task}{n}", "") for task, count in (("a", 50), ("b", 30), ("r", 40)) for n in range(count)
    ]
    splits = [random_split(videos, {"a", "b"}, seed) for seed in range(20)]
    for split in splits:
        assert len(split.test) == 20 and {video.task_id for video in split.test} == {"a"}
        assert sorted(split.training + split.test) == sorted(videos)
    assert random_split(videos, {"a", "b"}, 3) == splits[3] != splits[4]
    assert {video for split in splits for video in split.test} == set(videos[:50])


def test_recall_over_splits_is_the_mean_of_their_recalls(tmp_path: Path) -> None:
    data = write(tmp_path, videos=9)
    found = uniform(data, data.videos()[:-1])
    found.hits.update({video: StepHits("1", number % 3, 2) for number, video in enumerate(found.hits)})
    splits = [random_split(data.videos(), {"1"}, seed, training_videos=4) for seed in range(5)]
    every = [step_recall(found.hits[video] for video in split.test) for split in splits]
    mean = recall_over_splits(found, splits)
    assert mean == mean_of_splits(every)
    assert mean["recall_pooled"] == pytest.approx(np.mean([each["recall_pooled"] for each in every]))
    assert mean["recall_pooled_deviation"] > 0 and mean["splits"] == 5 and mean["queries"] == 4


def test_seconds_are_pooled_bins_of_each_stream() -> None:
    fast, slow = np.array([[1.0, 0], [0, 2], [3, 0], [0, 4]]), np.array([[5.0], [1.0]])
    expected = [[1 / 5**0.5, 2 / 5**0.5, 1], [3 / 5, 4 / 5, 1]]
    assert second_vectors([fast, slow], 2) == pytest.approx(np.array(expected))


def test_zero_shot_is_the_dynamic_programme_on_similarities(tmp_path: Path) -> None:
    torch.manual_seed(0)
    data, model = write(tmp_path), JointEmbedding(4, 6, 8)
    vocabulary = sorted({word for step in STEPS for word in step.split()})
    words = WordVectors(vocabulary, np.random.default_rng(0).normal(size=(len(vocabulary), 6)).astype(np.float32))
    rows = data.features(data.videos()[0])
    scores = model(torch.from_numpy(rows), torch.from_numpy(words.encode(STEPS))).detach().numpy()
    assert similarity_costs(model, words, rows, STEPS) == pytest.approx(-scores.T, abs=1e-6)
    videos = data.videos()[:-1]
    expected = localise(data, data.primary(), videos, lambda task, x: similarity_costs(model, words, x, task.steps))
    assert zero_shot(data, videos, model, words) == expected
    with pytest.raises(ValueError, match="4 numbers, but the model takes 5"):
        zero_shot(data, videos, JointEmbedding(5, 6, 8), words)
