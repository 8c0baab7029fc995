"""Moment retrieval by text as a task: TVR, How2R and DiDeMo, with the settings of the authors' public configurations.

The published code leaves long queries out of training and evaluation; here they are cut and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from torch import Tensor, nn

from ml.distributed import AllGather, Rows
from ml.harness import Entry
from ml.hero import matching
from ml.hero.data.annotations import Description
from ml.hero.downstream.moments import MomentIndex
from ml.hero.downstream.published_scoring import longest_of_batch
from ml.hero.downstream.tasks.corpus import (
    Described,
    RetrievalNetwork,
    corpus_of,
    described,
    encode_queries,
    index_of,
    pairs_of,
)
from ml.hero.downstream.tasks.examples import Examples
from ml.hero.matching import Pairs
from ml.hero.model import Hero
from ml.hero.ranking import LossSettings
from ml.metrics.moments import (
    IOU_THRESHOLDS,
    RECALLS,
    Moment,
    Search,
    Task,
    Truth,
    moment_metrics,
    suppress,
    write_predictions,
)

Found = dict[Task, dict[int, list[Moment]]]


@dataclass(frozen=True)
class MomentSettings:
    """``span_share`` is the share of the steps that include the loss of moments."""

    losses: LossSettings = field(default_factory=LossSettings)
    span_share: float = 0.2
    search: Search = field(default_factory=lambda: Search(max_overlap=0.5))


_DIDEMO = LossSettings(videos=10.0, queries=10.0, pool=80)
PRESETS = {
    "tvr": MomentSettings(),
    "how2r": MomentSettings(LossSettings(hard_from=1000), 0.1, Search(shortest=3, longest=20)),
    # ``hard_from`` 2000 and ``span_share`` 0.2, the defaults, are also in config/train-didemo_video_only-4gpu.json.
    "didemo_video": MomentSettings(_DIDEMO, search=Search(shortest=3, longest=6)),
    "didemo_subtitles": MomentSettings(_DIDEMO, search=Search()),
}


class MomentRetrieval:
    """An example is a description with its video; the other videos of the batch are negatives.

    Training uses the annotator that agrees best with the others; evaluation compares answers with all annotators.

    Raises:
        ValueError: a description has no interval.
    """

    measure = "VCMR_mean"

    def __init__(self, model: Hero, examples: Examples[Description], settings: MomentSettings = PRESETS["tvr"]) -> None:
        for each in (*examples.training, *examples.validation):
            if not each.intervals:
                raise ValueError(f"description {each.desc_id}: has no moment; remove it")
        self.model, self.data, self.settings = model, examples, settings
        self.network: nn.Module = RetrievalNetwork(model, settings.span_share)
        self.heads: Sequence[nn.Module] = ()
        self.identity = examples.identity(f"moment retrieval {asdict(settings)}", self.network)

    @property
    def examples(self) -> int:
        return len(self.data.learned)

    def read(self, number: int) -> Described:
        return described(self.data, self.model.config, number)

    def tokens(self, example: Described) -> int:
        return example.tokens

    def batch(self, examples: Sequence[Described]) -> Pairs:
        return pairs_of(examples)

    def losses(self, rows: Rows, step: int, all_gather: AllGather) -> dict[str, Tensor]:
        return matching.losses(rows, all_gather, self.settings.losses, step)

    def evaluate(self) -> Entry:
        """Hit rates over all validation descriptions, and the mean of VCMR, which selects the best model.

        A description without a video is a miss (``without_video``). The result also counts queries that were cut, and
        moments that begin after the frames of the model's input.
        """
        corpus = corpus_of(self.data)
        index, found, cut = self.search(self.data.validation, corpus)
        return self._measured(corpus, index, found, cut)

    def evaluate_both_ways(self) -> dict[str, Entry]:
        """The metrics by this project's scores and by the published ones, each without and with suppression.

        See ``ml.hero.downstream.published_scoring`` for their difference.
        """
        measured: dict[str, Entry] = {}
        corpus, search = corpus_of(self.data), self.settings.search
        for scores, as_published in (("independent of the batch", False), ("as published", True)):
            raw = replace(search, max_overlap=None, keep=search.before_suppression)
            index, found, cut = self.search(self.data.validation, corpus, raw, as_published)
            limits = {"all moments": None, f"overlap at most {search.max_overlap}": search.max_overlap}
            for name, limit in limits.items() if search.max_overlap is not None else [("all moments", None)]:
                kept: Found = {
                    task: {
                        row: suppress(moments, None if task == "VR" else limit)[: search.keep]
                        for row, moments in of.items()
                    }
                    for task, of in found.items()
                }
                measured[f"scores {scores}, {name}"] = self._measured(corpus, index, kept, cut)
        return measured

    def _measured(self, corpus: Sequence[str], index: MomentIndex, found: Found, cut: int) -> Entry:
        descriptions = self.data.validation
        numbers = {video_id: number for number, video_id in enumerate(corpus)}
        truths = {
            row: Truth(numbers.get(str(each.video_id), -1), each.intervals, each.kind)
            for row, each in enumerate(descriptions)
        }
        measured = moment_metrics(found, truths)
        means = [measured[f"VCMR_{iou:g}_R@{k}"] for iou in IOU_THRESHOLDS for k in RECALLS]
        seen_s = (index.counts * index.search.interval_s).tolist()
        behind = sum(
            truth.video >= 0 and min(start for start, _ in truth.intervals) >= seen_s[truth.video]
            for truth in truths.values()
        )
        counts = {"queries_cut": float(cut), "moments_behind_the_end": float(behind), **self.data.counts}
        return {"VCMR_mean": sum(means) / len(means), **measured, **counts}

    def search(
        self,
        descriptions: Sequence[Description],
        corpus: Sequence[str],
        search: Search | None = None,
        as_published: bool = False,
    ) -> tuple[MomentIndex, Found, int]:
        """The best moments of each description, by its position, in the videos of the corpus.

        Args:
            search: parameters; None for those of the settings.
            as_published: whether scores depend on a video's batch, as in the published evaluation.

        Returns:
            The index; VCMR, VR and, if the descriptions have videos, SVMR (empty for a video that is not in the
            corpus); and how many queries were cut.
        """
        self.network.eval()
        texts, cut = self.data.queries(each.text for each in descriptions)
        longest = None
        if as_published:
            videos = (self.data.videos[video_id] for video_id in corpus)
            longest = longest_of_batch(corpus, [min(len(v.features), self.model.config.max_frames) for v in videos])
        index = index_of(self.data, self.model, corpus, search or self.settings.search, longest)
        queries = encode_queries(self.model, texts)
        found: Found = {
            "VCMR": dict(enumerate(index.find(queries))),
            "VR": dict(enumerate(index.find_videos(queries))),
        }
        if any(each.video_id is not None for each in descriptions):
            numbers = {video_id: number for number, video_id in enumerate(corpus)}
            own = {row: numbers[v] for row, each in enumerate(descriptions) if (v := str(each.video_id)) in numbers}
            inside = index.find_within(queries[list(own)], list(own.values()))
            found["SVMR"] = {row: [] for row in range(len(texts))} | dict(zip(own, inside, strict=True))
        return index, found, cut

    def predictions(
        self,
        path: Path,
        descriptions: Sequence[Description] | None = None,
        video_numbers: Mapping[str, int] | None = None,
    ) -> None:
        """Write the answers in the format of TVR's scorer.

        Args:
            descriptions: None for those of the validation split; their videos may be secret.
            video_numbers: the corpus with its official numbers; None for that of the validation split.

        Raises:
            ValueError: a video of the corpus has no features.
        """
        described = self.data.validation if descriptions is None else descriptions
        numbers = video_numbers or {video_id: number for number, video_id in enumerate(corpus_of(self.data))}
        missing = [video_id for video_id in numbers if video_id not in self.data.videos]
        if missing:
            raise ValueError(f"video {missing[0]} and {len(missing) - 1} more of the corpus have no frame features")
        _, found, _ = self.search(described, list(numbers))
        official = list(numbers.values())
        ids = [int(each.desc_id) for each in described]
        renumbered: Found = {
            task: {
                ids[row]: [moment._replace(video=official[moment.video]) for moment in moments]
                for row, moments in answers.items()
            }
            for task, answers in found.items()
        }
        write_predictions(path, numbers, {int(each.desc_id): each.text for each in described}, renumbered)
