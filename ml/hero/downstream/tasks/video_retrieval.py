"""Video retrieval by text as a task: MSR-VTT, with the settings of the authors' public configurations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import torch
from torch import Tensor, nn

from ml.distributed import AllGather, Rows
from ml.harness import Entry
from ml.hero import matching
from ml.hero.data.annotations import Description
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
from ml.metrics.moments import Search
from ml.metrics.retrieval import RECALLS, ranks_of_scores, retrieval_metrics

SETTINGS = LossSettings(videos=10.0, queries=10.0, span=0.0, pool=80)
"""The weights of config/train-msrvtt_video_sub-4gpu.json; ``hard_from`` 2000 is the default."""


class VideoRetrieval:
    """An example is a description with its video; the other videos of the batch are negatives."""

    measure = "recall_mean"

    def __init__(self, model: Hero, examples: Examples[Description], settings: LossSettings = SETTINGS) -> None:
        self.model, self.data = model, examples
        self.settings = settings
        self.network: nn.Module = RetrievalNetwork(model, span_share=0.0)
        self.heads: Sequence[nn.Module] = ()
        self.identity = examples.identity(f"video retrieval {asdict(settings)}", self.network)

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
        return matching.losses(rows, all_gather, self.settings, step)

    def evaluate(self) -> Entry:
        """R@k over all validation descriptions, and their mean, which selects the best model.

        A description without a video is a miss (``without_video``); median and mean rank leave it out.

        Raises:
            ValueError: no description has a video.
        """
        self.network.eval()
        corpus, descriptions = corpus_of(self.data), self.data.validation
        numbers = {video_id: number for number, video_id in enumerate(corpus)}
        texts, cut = self.data.queries(each.text for each in descriptions)
        known = [row for row, each in enumerate(descriptions) if each.video_id in numbers]
        queries = encode_queries(self.model, [texts[row] for row in known])
        scores = index_of(self.data, self.model, corpus, Search()).scores(queries).cpu()
        own = torch.tensor([numbers[str(descriptions[row].video_id)] for row in known])
        measured = retrieval_metrics(ranks_of_scores(scores, own))
        recalls = {name: measured[name] * len(known) / len(texts) for name in (f"R@{k}" for k in RECALLS)}
        counts = {"queries": float(len(texts)), "queries_cut": float(cut), **self.data.counts}
        return {"recall_mean": sum(recalls.values()) / len(recalls), **measured, **recalls, **counts}
