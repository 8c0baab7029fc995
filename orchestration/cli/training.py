"""``howto train`` and ``howto tensorboard``: training a model with other settings, and its curves."""

from __future__ import annotations

from typing import Any

import click

from orchestration.cli.common import chosen_settings, lake_option, listen, settings_in_force
from orchestration.cli.errors import DONE, CommandError
from orchestration.cli.refreshing import refresh_with
from orchestration.cli.serving import PORT, host_option

Overrides = tuple[tuple[str, str, str], ...]
"""Options of a command: name on the command line, setting, help."""

_HARDWARE: Overrides = (
    ("device", "device", "Device: auto, cpu, cuda or mps."),
    ("seed", "seed", "Seed of every random choice."),
)
_PROCESSES: Overrides = (
    ("processes", "training_processes", "Processes of torchrun; 0 trains within the run."),
    ("precision", "precision", "Mixed precision: no, bf16 or fp16."),
    ("compile", "compile", "Compile networks: true or false."),
    ("workers", "loader_workers", "Processes that read batches; 0 reads in a thread."),
    ("part-tokens", "part_tokens", "Words and frames that a process computes at once."),
)
_SAME_RESULT = {"device", "training_processes", "compile", "loader_workers", "part_tokens"}
"""Settings that do not make a model out of date."""

MODELS: dict[str, tuple[str, str, Overrides]] = {
    "word_vectors": (
        "key:word_vectors",
        "Word vectors, learned from captions or from a file.",
        (
            ("dim", "word_dim", "Length of a word vector."),
            ("vectors", "word_vectors", "File of word vectors (word2vec or GloVe) to read instead."),
            *_HARDWARE,
        ),
    ),
    "joint_embedding": (
        "key:joint_embedding",
        "The joint embedding of text and video (HowTo100M).",
        (
            ("epochs", "embedding_epochs", "Passes over the training videos."),
            ("learning-rate", "embedding_learning_rate", "Step size of Adam."),
            ("lr-decay", "embedding_lr_decay", "Factor of the step size after each epoch."),
            ("videos-per-batch", "embedding_videos_per_batch", "Videos per batch."),
            ("pairs-per-video", "embedding_pairs_per_video", "Clip-caption pairs per video in a batch."),
            ("dim", "embedding_dim", "Length of an embedding."),
            *_PROCESSES,
            *_HARDWARE,
        ),
    ),
    "hero": (
        "key:hero_pretraining",
        "HERO, pre-trained on the lake's clips.",
        (
            ("steps", "hero_steps", "Steps of pre-training."),
            ("batch", "hero_batch", "Clips per step, over all processes."),
            ("learning-rate", "hero_learning_rate", "Highest step size."),
            ("size", "hero_size", "Size of the network: small or paper."),
            ("initial", "hero_initial", "Model folder to start from; see howto convert hero."),
            ("as-published", "hero_as_published", "Start and weigh losses as the published code: true or false."),
            *_PROCESSES,
            *_HARDWARE,
        ),
    ),
    "hero_tasks": (
        "group:hero_tasks",
        "HERO, fine-tuned on each of its benchmarks.",
        (
            ("steps", "hero_fine_tuning_steps", "Steps of each fine-tuning."),
            *(each for each in _PROCESSES if each[0] != "workers"),
            *_HARDWARE,
        ),
    ),
    "cluster_gcn": (
        "key:cluster_gcn",
        "Cluster-GCN on the co-purchase graph.",
        (
            ("epochs", "gcn_epochs", "Passes over the graph."),
            ("layers", "gcn_layers", "Layers of the network."),
            ("hidden-dim", "gcn_hidden_dim", "Width of a layer."),
            ("clusters", "gcn_clusters", "Clusters of the graph."),
            ("partitioner", "gcn_partitioner", "Program that clusters the graph: metis or kaminpar."),
            ("clusters-per-batch", "gcn_clusters_per_batch", "Clusters joined into one batch."),
            ("diagonal-lambda", "gcn_diagonal_lambda", "Weight on a node's own features, for deep networks."),
            ("neighbour-dropout", "gcn_neighbour_dropout", "How often training hides a product's neighbours."),
            *_HARDWARE,
        ),
    ),
}
"""For each model: the asset selection that makes it, what it is, and the settings that its command overrides."""


@click.group()
def train() -> None:
    """Train a model of the lake, with other settings if you like.

    A training that was interrupted goes on from its last checkpoint.
    """


def _command(name: str) -> click.Command:
    selection, description, overrides = MODELS[name]

    def run(only: bool, **values: str | None) -> int:
        given = {setting: value for _, setting, _ in overrides if (value := values[setting]) is not None}
        settings = chosen_settings(given)
        code = refresh_with(settings, selection if only else f"+{selection}")
        lasting = {setting: value for setting, value in given.items() if setting not in _SAME_RESULT}
        if lasting and code == DONE:
            variables = " ".join(f"HOWTO_{setting.upper()}={value}" for setting, value in lasting.items())
            click.echo(f"Trained with {variables}. Set this in .env too, or the next refresh trains again without it.")
        return code

    options: list[Any] = [
        click.Option([f"--{option}", setting], help=f"{text} Instead of HOWTO_{setting.upper()}.")
        for option, setting, text in overrides
    ]
    only = click.Option(["--only"], is_flag=True, help="Leave the model's inputs as they are.")
    about = f"{description}\n\nIts inputs are brought up to date first."
    return lake_option(click.Command(name, callback=run, params=[*options, only], help=about))


for _name in MODELS:
    train.add_command(_command(_name))


@click.command()
@lake_option
@host_option
@click.option("--port", type=PORT, default=6006, show_default=True, help="Port to listen on.")
def tensorboard(host: str, port: int) -> None:
    """Serve the curves of all trainings of the lake."""
    import os
    import sys

    settings = settings_in_force()
    folder = settings.lake / "models" / "tensorboard"
    if not any(folder.rglob("events.out.tfevents.*")):
        raise CommandError(f"{folder}: no curves are there; train a model first, e.g. with howto train joint_embedding")
    listen(host, port).close()
    command = ["-m", "tensorboard.main", "--logdir", str(folder), "--host", host, "--port", str(port)]
    os.execv(sys.executable, [sys.executable, *command])


COMMANDS = (train, tensorboard)
