"""What an export says about the data set: title, size, languages, licence, citation and provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assets.exports.records import RecordSet
from assets.lake.snapshot import Snapshot

APACHE = "https://www.apache.org/licenses/LICENSE-2.0"
_SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B")


@dataclass(frozen=True)
class Publication:
    """What only the publisher of a data set knows. Licence: a URL, for example of an SPDX licence."""

    name: str = "HowTo Lake data set"
    creator: str = "the owner of the lake"
    url: str | None = None
    licence: str | None = None


ANONYMOUS = Publication()


@dataclass(frozen=True)
class Description:
    """The facts about a snapshot.

    Args:
        rows: rows of each record set by split.
        licenses: videos by licence.
        removed: number of removed videos that are left out.
        caption_sources: kinds of the captions.
        collected: first and last day on which captions were fetched; None if unknown.
    """

    publication: Publication
    snapshot: int
    snapshot_time: str
    code_version: str
    rows: Mapping[RecordSet, Mapping[str, int]]
    sources: tuple[str, ...]
    languages: tuple[str, ...]
    licenses: Mapping[str, int]
    removed: int
    caption_sources: tuple[str, ...]
    collected: tuple[str, str] | None

    @property
    def synthetic(self) -> bool:
        """Whether every video is generated."""
        return self.sources == ("synthetic",)

    @property
    def title(self) -> str:
        return f"{self.publication.name}{' (synthetic)' if self.synthetic else ''}"

    @property
    def url(self) -> str:
        return self.publication.url or f"urn:howto-lake:snapshot:{self.snapshot}"

    @property
    def version(self) -> str:
        """MAJOR.MINOR.PATCH; the snapshot is the minor version."""
        return f"1.{self.snapshot}.0"

    @property
    def clips(self) -> int:
        return sum(next(rows for records, rows in self.rows.items() if records.name == "clips").values())

    @property
    def size_category(self) -> str:
        """The size class of the Hugging Face hub."""
        return _SIZES[min(max(len(str(self.clips)) - 3, 0), len(_SIZES) - 1)]

    @property
    def summary(self) -> str:
        videos = sum(next(rows for records, rows in self.rows.items() if records.name == "videos").values())
        kind = "generated videos" if self.synthetic else "narrated how-to videos"
        return (
            f"{self.clips:,} clip-caption pairs of {videos:,} {kind}: ids, times and captions, without media."
            f" Source: {', '.join(self.sources) or 'none'}. Snapshot {self.snapshot} of the lake,"
            f" {self.snapshot_time}, written by howto-lake {self.code_version}.{self._without_removed}"
        )

    @property
    def _without_removed(self) -> str:
        return f" {self.removed:,} removed videos of that snapshot are left out." if self.removed else ""

    @property
    def maintenance(self) -> str:
        """What happens to the data set after its release."""
        return (
            "Videos whose removal was requested are left out of later exports, also of older snapshots. The list"
            " removed_ids in manifest.json names the videos to delete from copies of earlier exports."
        )

    @property
    def licence(self) -> str:
        if self.publication.licence:
            return self.publication.licence
        if self.synthetic:
            return APACHE
        return (
            "No licence is declared for these ids, times and captions. Titles and captions belong to the authors of the"
            " videos, whose terms apply."
        )

    @property
    def citation(self) -> str:
        """BibTeX of the data set itself."""
        return (
            f"@misc{{howto_lake_snapshot_{self.snapshot},\n  title = {{{self.title}}},\n"
            f"  author = {{{self.publication.creator}}},\n  year = {{{self.snapshot_time[:4]}}},\n"
            f"  note = {{Snapshot {self.snapshot}, {self.url}}}\n}}"
        )


def describe(
    snapshot: Snapshot,
    publication: Publication,
    code_version: str,
    rows: Mapping[RecordSet, Mapping[str, int]],
    removed_ids: Sequence[str],
) -> Description:
    """The description of an exported snapshot."""
    videos = snapshot.sql("SELECT DISTINCT source, language, caption_source FROM {videos} WHERE kept")
    days = (None, None)
    if snapshot.has("caption_fetches"):
        days = snapshot.sql(
            "SELECT strftime(min(fetched_at), '%Y-%m-%d'), strftime(max(fetched_at), '%Y-%m-%d') FROM {caption_fetches}"
        ).row(0)
    licenses = snapshot.sql(
        "SELECT coalesce(license, 'unknown') AS license, count(*) AS videos FROM {videos} WHERE kept"
        " GROUP BY ALL ORDER BY videos DESC, license"
    )
    return Description(
        publication,
        snapshot.number,
        snapshot.made_at.isoformat(timespec="seconds"),
        code_version,
        rows,
        tuple(sorted(set(videos["source"]))),
        tuple(sorted(set(videos["language"].drop_nulls()))),
        dict(licenses.iter_rows()),
        len(removed_ids),
        tuple(sorted(set(videos["caption_source"].drop_nulls()))),
        (days[0], days[1]) if days[0] is not None else None,
    )
