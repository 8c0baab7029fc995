"""HERO's downstream benchmarks in their published files: annotations, features and subtitles of one folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ml.hero.clip_store import Clip, Encode, tokenised
from ml.hero.data.annotations import read_how2qa, read_how2r, read_msrvtt, read_tvc, read_tvqa, read_tvr, read_violin
from ml.hero.data.features import FrameFeatures, LmdbFeatures, NpzFolders
from ml.hero.data.subtitles import read_subtitles
from ml.hero.downstream.finetune import Task
from ml.hero.downstream.tasks.captioning import Captioning
from ml.hero.downstream.tasks.examples import Examples
from ml.hero.downstream.tasks.moment_retrieval import PRESETS as MOMENTS
from ml.hero.downstream.tasks.moment_retrieval import MomentRetrieval
from ml.hero.downstream.tasks.question_answering import QuestionAnswering
from ml.hero.downstream.tasks.video_entailment import VideoEntailment
from ml.hero.downstream.tasks.video_retrieval import VideoRetrieval
from ml.hero.model import Hero
from ml.hero.tokenizer import HeroTokenizer
from ml.hero.video import Video

SUBTITLES = "subtitles.jsonl"
FEATURES = "features"
VIDEOS_KEPT = 2000
"""Videos kept in memory: 0.9 MB each at 100 frames of 4,352 float16 numbers."""
SECONDS_OF_TV = 1.5
"""Seconds per frame of the benchmarks' published features; 2 s for MSR-VTT."""
ANSWERS = "question answering"


@dataclass(frozen=True)
class Benchmark:
    """A data set: file names by split, their reader, the task, and its published settings.

    Attributes:
        settings: name of the published fine-tuning settings.
        texts: most tokens of a text.
        preceding: number of preceding subtitles that are read with each subtitle.
        zero_shot: whether the pre-trained model can do the task without fine-tuning.
        head: the kind of head that the task needs (``ml.hero.downstream.released``); None for retrieval.
    """

    files: str
    read: Callable[[Path], list[Any]]
    task: Callable[[Hero, Examples[Any]], Task]
    settings: str
    interval_s: float = SECONDS_OF_TV
    with_subtitles: bool = True
    texts: int = 60
    preceding: int = 0
    zero_shot: bool = False
    head: str | None = None

    def paths(self, folder: Path) -> tuple[Path, Path]:
        """Files of the training and validation splits."""
        return folder / self.files.format("train"), folder / self.files.format("val")

    def exists(self, folder: Path) -> bool:
        """Whether a folder has both files."""
        return all(path.is_file() for path in self.paths(folder))

    def examples(
        self, folder: Path, tokenizer: HeroTokenizer, training: bool = True, content: str = ""
    ) -> Examples[Any]:
        """The annotations and videos of a folder.

        Args:
            training: whether to read the annotations of the training split.
            content: names the content of the videos (``Examples``).

        Raises:
            ValueError: a file has another form.
        """
        learned, held_out = self.paths(folder)
        videos = PublishedVideos(folder, self.interval_s, tokenizer.encode)
        return Examples(
            tokenizer,
            videos,
            self.read(learned) if training else [],
            self.read(held_out),
            self.with_subtitles,
            self.texts,
            self.preceding,
            content,
        )


class PublishedVideos(Mapping[str, Video]):
    """Videos of published files: ``features`` (an LMDB, or one folder of npz files per stream), ``subtitles.jsonl``."""

    def __init__(self, folder: Path, interval_s: float, encode: Encode) -> None:
        root = folder / FEATURES
        folders = sorted(path for path in root.iterdir() if path.is_dir()) or [root]
        self.rows: FrameFeatures = LmdbFeatures(root) if (root / "data.mdb").exists() else NpzFolders(folders)
        self.interval_s, self.encode = interval_s, encode
        said = folder / SUBTITLES
        self.lines = read_subtitles(said) if said.exists() else {}
        self._ids = set(self.rows.video_ids)
        self._read = lru_cache(VIDEOS_KEPT)(self._video)

    def __getitem__(self, video_id: str) -> Video:
        if video_id not in self._ids:
            raise KeyError(video_id)
        return self._read(video_id)

    def _video(self, video_id: str) -> Video:
        features = self.rows.rows(video_id).astype("float16")
        return tokenised(Clip(video_id, features, self.interval_s, self.lines.get(video_id, [])), self.encode)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)


def _moments(preset: str) -> Callable[[Hero, Examples[Any]], Task]:
    return lambda model, examples: MomentRetrieval(model, examples, MOMENTS[preset])


BENCHMARKS: dict[str, Benchmark] = {
    "tvr": Benchmark("tvr_{}_release.jsonl", read_tvr, _moments("tvr"), "tvr", zero_shot=True),
    "how2r": Benchmark("how2r_{}.csv", read_how2r, _moments("how2r"), "how2r", zero_shot=True),
    "didemo": Benchmark(
        "didemo_{}.jsonl",
        read_tvr,
        _moments("didemo_video"),
        "didemo_video",
        with_subtitles=False,
        zero_shot=True,
    ),
    "msrvtt": Benchmark("msrvtt_{}.jsonl", read_msrvtt, VideoRetrieval, "msrvtt", 2.0, preceding=1, zero_shot=True),
    "tvqa": Benchmark("tvqa_{}.jsonl", read_tvqa, QuestionAnswering, "tvqa", texts=120, head=ANSWERS),
    "how2qa": Benchmark("how2qa_{}.csv", read_how2qa, QuestionAnswering, "how2qa", texts=120, head=ANSWERS),
    "violin": Benchmark(
        "violin_{}.jsonl",
        read_violin,
        VideoEntailment,
        "violin",
        texts=120,
        preceding=2,
        head="video entailment",
    ),
    "tvc": Benchmark("tvc_{}.jsonl", read_tvc, Captioning, "tvc", preceding=1, head="captioning"),
}
