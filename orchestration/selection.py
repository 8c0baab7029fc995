"""From a Dagster asset selection, as a user writes it, to asset keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

import dagster as dg
from dagster._core.definitions.asset_selection import (
    ChainedAssetSelection,
    DagsterInvalidAssetSelectionError,
    OperandListAssetSelection,
    SubtractAssetSelection,
)
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.errors import DagsterInvalidSubsetError
from dagster_shared.check import CheckError

from orchestration.selections import EVERYTHING
from orchestration.settings import Settings

GRAPH = (
    'group:graph or group:graph_evaluation or key:"graph_statistics"'
    ' or key:"retail_source" or key:"retail_baskets" or key:"products"'
)
"""Everything that is derived from transactions."""
_GRAPH_OF_SIMULATED = "+group:graph or +group:graph_evaluation"

_HELP = 'for example group:graph, key:clips, +key:clips (with its inputs) or key:"clip*"'


class SelectionError(ValueError):
    """A selection is wrong or selects nothing; the message names the part and similar names."""


def default_selection(settings: Settings) -> tuple[str, str | None]:
    """What is made without ``--select``, and what is left out and why (None: nothing).

    With a source of videos of one's own and no transactions, the packaged simulated baskets are not used; with
    transactions only, the generated videos are not used.
    """
    own_videos, own_baskets = settings.sources.kind != "synthetic", settings.retail.transactions is not None
    if own_videos and not own_baskets:
        why = "group:graph and group:graph_evaluation, because HOWTO_TRANSACTIONS is not set"
        return (
            f"({EVERYTHING}) and not ({GRAPH})",
            f"{why}; --select '{_GRAPH_OF_SIMULATED}' makes them of simulated baskets",
        )
    if own_baskets and not own_videos:
        why = "all groups of videos, features and their models, because HOWTO_SOURCE is not set"
        return GRAPH, f"{why}; --select '+group:card' uses generated videos"
    return EVERYTHING, None


def resolve_selection(selection: str | None, graph: AssetGraph) -> set[dg.AssetKey]:
    """The keys that a selection names (None: ``EVERYTHING``).

    Raises:
        SelectionError: it cannot be read, or it or a part of it selects nothing.
    """
    text = EVERYTHING if selection is None else selection
    try:
        chosen = dg.AssetSelection.from_string(text)
        for part in _leaves(chosen):
            if not _resolve(part, graph):
                raise SelectionError(f"--select {text}: {part} selects no asset; {_hint(str(part), graph)}")
        keys = _resolve(chosen, graph)
    except (DagsterInvalidAssetSelectionError, CheckError, NotImplementedError) as error:
        raise SelectionError(f"--select {text}: not a selection of assets; {_HELP}") from error
    if not keys:
        raise SelectionError(f"--select {text}: selects no asset; {_HELP}")
    return keys


def _resolve(selection: dg.AssetSelection, graph: AssetGraph) -> set[dg.AssetKey]:
    try:
        return set(selection.resolve(graph))
    except DagsterInvalidSubsetError:
        return set()


def _leaves(selection: dg.AssetSelection) -> Iterator[dg.AssetSelection]:
    """The parts of a selection that name assets by themselves, e.g. ``group:graph`` in ``not group:graph``."""
    if isinstance(selection, OperandListAssetSelection):
        for operand in selection.operands:
            yield from _leaves(operand)
    elif isinstance(selection, SubtractAssetSelection):
        yield from _leaves(selection.left)
        yield from _leaves(selection.right)
    elif isinstance(selection, ChainedAssetSelection):
        yield from _leaves(selection.child)
    else:
        yield selection


def _hint(part: str, graph: AssetGraph) -> str:
    kind, colon, value = part.partition(":")
    name = (value if colon else kind).strip('"')
    groups = {str(graph.get(key).group_name) for key in graph.get_all_asset_keys()}
    assets = {key.to_user_string() for key in graph.get_all_asset_keys()}
    near = [f"group:{each}" for each in _near(name, groups)] + [f"key:{each}" for each in _near(name, assets)]
    return f"did you mean {' or '.join(near[:3])}?" if near else _HELP


def _near(name: str, known: Iterable[str]) -> list[str]:
    return get_close_matches(name, sorted(known), n=2, cutoff=0.7)
