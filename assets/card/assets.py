"""The data set card as an asset."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from assets.card.card import as_markdown, card_version, make_card, previous_snapshot, write_card
from assets.card.options import CardOptions
from assets.lake import Lake
from assets.metadata import CARD

INPUTS = (
    "dataset_statistics",
    "graph_statistics",
    "quality_probes",
    "benchmark_evaluation",
    "joint_embedding_evaluation",
    "cluster_gcn_evaluation",
)

PAGE = "http://127.0.0.1:8000/card"
"""Address of the card while ``howto search`` runs on its default port."""


@dg.asset(code_version="4", kinds={"html"}, deps=INPUTS, metadata={CARD: "card"})
def data_set_card(
    lake: dg.ResourceParam[Lake],
    media_root: dg.ResourceParam[Path],
    model_root: dg.ResourceParam[Path],
    card_root: dg.ResourceParam[Path],
    card_options: dg.ResourceParam[CardOptions],
    changed_settings: dg.ResourceParam[Mapping[str, str]],
) -> dg.MaterializeResult:
    """One self-contained page about the newest snapshot: samples, loading, filters, results, schema, changes."""
    previous = previous_snapshot(card_root)
    card = make_card(lake, media_root, model_root, changed_settings, card_options, previous=previous)
    write_card(card_root, card)
    version = card_version(card_root)
    assert version is not None
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata={
            "file": dg.MetadataValue.path(str(card_root / "card.html")),
            "page": dg.MetadataValue.url(PAGE),
            "lake snapshot": card.snapshot,
            "card": dg.MetadataValue.md(as_markdown(card)),
        },
    )
