"""``howto evaluate``: a model with published weights on the published files of a benchmark, without training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestration.cli.common import settings_in_force
from orchestration.cli.errors import CommandError

if TYPE_CHECKING:
    from orchestration.settings import Settings

ByMethod = Mapping[str, Mapping[str, float]]

TEXT_VIDEO_TASKS = ("youcook2", "msrvtt", "lsmdc", "crosstask")
HERO_TASKS = ("tvr", "how2r", "didemo", "msrvtt", "tvqa", "how2qa", "violin", "tvc")
TASKS = tuple(dict.fromkeys((*TEXT_VIDEO_TASKS, *HERO_TASKS)))


@click.command()
@click.argument("model")
@click.option("--task", required=True, type=click.Choice(TASKS), help="The benchmark.")
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the benchmark's files; docs/how-to/benchmarks.md lists them.",
)
def evaluate(model: str, task: str, data: Path) -> None:
    """Evaluate MODEL on a benchmark without a training step.

    MODEL is joint_embedding (the lake's), s3d (weights by HOWTO_WEIGHTS), open_clip:FOLDER, or a model folder that
    howto convert wrote. A converted joint embedding reads the word vectors of HOWTO_WORD_VECTORS, a HERO the vocabulary
    of HOWTO_HERO_VOCABULARY. Moments are scored independently of the batch and as published.
    """
    settings, folder = settings_in_force(), Path(model).expanduser()
    is_hero = (folder / "config.json").is_file() and _is_hero(folder)
    if task not in (HERO_TASKS if is_hero else TEXT_VIDEO_TASKS):
        raise CommandError(
            f"{model}: not a model of {task}; {'HERO' if is_hero else 'it'} does "
            f"{', '.join(HERO_TASKS if is_hero else TEXT_VIDEO_TASKS)}"
        )
    try:
        if is_hero:
            _print(task, _hero(folder, task, data, settings))
            return
        found, left_out = _text_video(model, task, data, settings)
    except (ValueError, ImportError) as error:
        raise CommandError(str(error)) from error
    for benchmark, by_method in found.items():
        _print(benchmark, by_method)
    for reason, count in sorted(left_out.items()):
        click.echo(f"left out: {count} x {reason}", err=True)


def _is_hero(folder: Path) -> bool:
    from ml.reading import json_document

    config = json_document(folder / "config.json")
    return isinstance(config, dict) and "frame_dim" in config.get("model", {})


def _hero(folder: Path, task: str, data: Path, settings: Settings) -> ByMethod:
    from assets.hero.tasks.released import evaluate_released

    return evaluate_released(folder, task, data, settings.hero.vocabulary, settings.runtime.device)


def _text_video(
    name: str, task: str, data: Path, settings: Settings
) -> tuple[Mapping[str, ByMethod], Mapping[str, int]]:
    from assets.joint_embedding.evaluation.one_model import evaluate_joint_embedding, evaluate_tower, texts_of
    from assets.joint_embedding.options import TextVideoOptions, must_name_model
    from assets.joint_embedding.text_video import converted_joint_embedding, load_joint_embedding, load_tower
    from orchestration.resources import feature_options, model_root_of

    folder, device = Path(name).expanduser(), settings.runtime.device
    if (folder / "config.json").is_file():
        converted = converted_joint_embedding(folder, settings.words, texts_of(task, data))
        return evaluate_joint_embedding(converted, task, data, device)
    tower = load_tower(TextVideoOptions(must_name_model(name)), feature_options(settings))
    if tower is not None:
        return evaluate_tower(tower, task, data, _log_left_out)
    return evaluate_joint_embedding(load_joint_embedding(model_root_of(settings)), task, data, device)


def _log_left_out(video_id: str, reason: str | None) -> None:
    if reason is not None:
        click.echo(f"{video_id}: {reason}", err=True)


def _print(benchmark: str, by_method: ByMethod) -> None:
    for method, metrics in by_method.items():
        click.echo(f"{benchmark}: {method}, {metrics.get('queries', 0):.0f} queries")
        for metric, value in metrics.items():
            if metric != "queries":
                click.echo(f"  {metric:28} {value:.4f}")


COMMANDS = (evaluate,)
