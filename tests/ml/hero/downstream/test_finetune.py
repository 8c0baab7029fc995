"""The fine-tuning loop on a small statement task: it learns, keeps the best, resumes, and treats groups as groups."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from ml.distributed import mean_over_processes
from ml.harness import Runtime
from ml.hero.downstream.finetune import PRESETS, FineTuning, Settings, cut_to_limit, finetune
from ml.hero.downstream.question_answering import accuracy
from ml.hero.downstream.video_entailment import StatementHead, judged_true, statement_losses

SETTINGS = Settings(1e-3, steps=60, warm_up=6, batch=16, head_factor=5, validate_every=20)
RUNTIME = Runtime(device="cpu")


class Network(nn.Module):
    """It has no memory for more than ``most`` videos."""

    most = 16

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(6, 8), StatementHead(8)

    def logits(self, frames):
        return self.head(self.body(frames), torch.ones(frames.shape[:2], dtype=torch.bool))

    def forward(self, batch, step):
        if len(batch["frames"]) > self.most:
            raise torch.OutOfMemoryError("too many videos")
        return {"losses": statement_losses(self.logits(batch["frames"]), batch["labels"])}


class Statements:
    """Whether some frame of a video is large in its first number."""

    identity, measure, examples = "large first numbers", "accuracy", 100

    def __init__(self):
        torch.manual_seed(1)
        self.network = Network()
        self.heads = [self.network.head]
        self.frames = torch.randn(150, 5, 6)
        self.labels = self.frames[..., 0].amax(1) > 1.1
        self.requested = []

    def read(self, number):
        self.requested.append(number)
        return number

    def tokens(self, number):
        return 2 + number % 2

    def batch(self, numbers):
        return {"frames": self.frames[[*numbers]], "labels": self.labels[[*numbers]]}

    def losses(self, rows, step, all_gather):
        return {"loss": mean_over_processes(rows["losses"], all_gather)}

    @torch.no_grad()
    def evaluate(self):
        chosen = judged_true(self.network.logits(self.frames[100:]))
        return {"accuracy": accuracy(chosen, self.labels[100:])}


def test_training_improves_the_task_and_keeps_the_best_model():
    task = Statements()
    before = task.evaluate()["accuracy"]
    history = finetune(task, SETTINGS, RUNTIME)
    assert [entry["epoch"] for entry in history] == [1, 2, 3]
    assert task.evaluate()["accuracy"] == max(entry["accuracy"] for entry in history) > max(0.8, before)
    # 960 examples from 100: each is used nine or ten times.
    assert {task.requested.count(row) for row in range(100)} == {9, 10}


def test_a_step_that_runs_out_of_memory_is_repeated_in_parts_of_half_as_many_tokens(caplog):
    whole, limited = Statements(), Statements()
    limited.network.most = 5
    expected, history = (finetune(task, SETTINGS, RUNTIME) for task in (whole, limited))
    assert [entry["loss"] for entry in history] == pytest.approx([entry["loss"] for entry in expected], rel=1e-4)
    one, other = (task.network.logits(task.frames).detach() for task in (whole, limited))
    torch.testing.assert_close(other, one, atol=1e-4, rtol=1e-3)
    tokens = [record.args[1] for record in caplog.records if "too little memory" in record.message]
    assert len(tokens) >= 2 and tokens[-1] >= 10 and all(2 * after <= before + 1 for before, after in pairwise(tokens))


def test_an_interrupted_training_ends_with_the_same_model(tmp_path):
    runtime = replace(RUNTIME, checkpoints=tmp_path, checkpoint_every_s=0)
    whole, broken = Statements(), Statements()
    expected = finetune(whole, SETTINGS, RUNTIME)

    def interrupt(entry):
        if entry["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(broken, SETTINGS, runtime, interrupt)
    resumed = Statements()
    history = finetune(resumed, SETTINGS, runtime)
    assert [entry["accuracy"] for entry in history] == [entry["accuracy"] for entry in expected]
    for name, tensor in whole.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[name], tensor)
    assert len(resumed.requested) < len(whole.requested)


def test_heads_learn_faster_and_biases_do_not_decay():
    task = Statements()
    learner = FineTuning(task, SETTINGS)
    groups = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in learner.optimiser.param_groups
        for parameter in group["params"]
    }
    network = task.network
    assert groups[id(network.body.weight)] == (1e-3, 0.01)
    assert groups[id(network.body.bias)] == (1e-3, 0)
    assert groups[id(network.head.truth[0].weight)] == (5e-3, 0.01)
    assert groups[id(network.head.truth[2].weight)] == (5e-3, 0)  # a layer norm
    factors = [learner.learning_rate_factor(step) for step in range(61)]
    assert max(factors) == factors[6] == 1
    assert (factors[0], factors[60]) == (1 / 6, 0)
    # The same examples whoever computes them.
    shares = [learner.batches(3, process, 2)[0].examples["labels"] for process in (0, 1)]
    assert sorted(torch.cat(shares).tolist()) == sorted(learner.batches(3, 0, 1)[0].examples["labels"].tolist())


def test_long_queries_are_cut_and_counted():
    assert cut_to_limit([[1, 2, 3], [4], []], 2) == ([[1, 2], [4], []], 1)


def test_settings_are_checked():
    assert PRESETS["tvr"].batch == 512
    with pytest.raises(ValueError, match="warm_up=5, steps=5"):
        Settings(1e-3, 5, 5, 1)
