"""The synthetic world as a video source. See `world` for its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from assets.captions.tracks import CaptionTrack
from assets.outcomes import Problem, SourceError
from assets.sources.protocol import Article, ListedChapter, SearchResult, VideoMetadata
from assets.sources.synthetic import narration
from assets.sources.synthetic.world import Video, World

LICENSE = "Apache-2.0"
"""What this program makes is under its own licence."""
GENERATOR = 1  # raise it whenever a change makes the same parameters answer otherwise


class SyntheticSource:
    """A generated how-to world: deterministic by its seed, without network, at any size."""

    name = "synthetic"

    def __init__(self, tasks: int = 40, videos_per_task: int = 5, seed: int = 0) -> None:
        self.world = World(tasks, videos_per_task, seed)

    def version(self) -> str:
        """A hash of the generator and its parameters."""
        world = self.world
        key = f"{self.name}/{GENERATOR}/{world.tasks}/{world.videos_per_task}/{world.seed}"
        return hashlib.blake2b(key.encode(), digest_size=8).hexdigest()

    def articles(self) -> Iterator[Article]:
        """Articles of all tasks and some that a task filter should reject."""
        return self.world.articles()

    def search(self, query: str, limit: int) -> list[SearchResult]:
        """Results for "how to <title>"; nothing for a title that no task has."""
        number = self.world.task_number(query.strip().casefold().removeprefix("how to "))
        if number is None:
            return []
        videos = map(self.world.video, self.world.found(number)[:limit])
        return [
            SearchResult(video.video_id, video.title, video.channel, video.listed_duration_s, video.view_count)
            for video in videos
        ]

    def metadata(self, video_id: str) -> VideoMetadata:
        """What the world knows of a video, its true length included."""
        number = self.world.video_number(video_id)
        if number is None:
            return VideoMetadata("failed", error=f"{video_id}: no such synthetic video")
        video = self.world.video(number)
        return VideoMetadata(
            "ok",
            title=video.title,
            duration_s=video.duration_s,
            view_count=video.view_count,
            license=LICENSE,
            availability="public",
            chapters=_chapters(video) if number % 2 == 0 else (),
        )

    def captions(self, video_id: str) -> CaptionTrack:
        """The caption track of a video."""
        number = self.world.video_number(video_id)
        if number is None:
            return CaptionTrack("failed", error=f"{video_id}: no such synthetic video")
        return narration.track(self.world, self.world.video(number))

    def media(self, video_id: str, folder: Path) -> Path:
        """Render the video into this world's own place in ``folder`` unless it is there."""
        number = self.world.video_number(video_id)
        if number is None:
            raise SourceError(f"{video_id}: no such synthetic video")
        # The codec library takes longer to import than everything else here together.
        from assets.sources.synthetic import render

        # Worlds use the same ids, so each has its own folder.
        return render.file(self.world, self.world.video(number), folder / f"synthetic-{self.version()}")

    def problems(self) -> list[Problem]:
        """Nothing is ever set aside."""
        return []


def _chapters(video: Video) -> tuple[ListedChapter, ...]:
    """The chapters that the creator of every other video lists: one per step, one per scene of the host."""
    return tuple(
        ListedChapter(scene.start_s, scene.end_s, str(scene.step) if scene.step else "talk to the camera")
        for scene in video.scenes
    )
