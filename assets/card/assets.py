"""The data set card as an asset."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from assets.card.card import as_markdown, card_version, make_card, previous_snapshot, write_card
from assets.card.options import CARD, CardOptions
from assets.lake import Lake

INPUTS = (
    "dataset_statistics",
    "graph_statistics",
    "quality_probes",
    "benchmark_evaluation",
    "joint_embedding_evaluation",
    "cluster_gcn_evaluation",
)


@dg.asset(code_version="1", kinds={"html"}, deps=INPUTS, metadata={CARD: "card"})
def data_set_card(
    lake: dg.ResourceParam[Lake],
    media_root: dg.ResourceParam[Path],
    model_root: dg.ResourceParam[Path],
    card_root: dg.ResourceParam[Path],
    card_options: dg.ResourceParam[CardOptions],
    changed_settings: dg.ResourceParam[Mapping[str, str]],
) -> dg.MaterializeResult:
    """One self-contained page about the newest snapshot: size, samples, filters, results, provenance, what changed."""
    previous = previous_snapshot(card_root)
    card = make_card(lake, media_root, model_root, changed_settings, card_options, previous=previous)
    write_card(card_root, card)
    version = card_version(card_root)
    assert version is not None
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata={
            "page": dg.MetadataValue.path(str(card_root / "card.html")),
            "lake snapshot": card.snapshot,
            "card": dg.MetadataValue.md(as_markdown(card)),
        },
    )
