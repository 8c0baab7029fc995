"""Decoding is exact: the files made here carry the number of each frame in its pixels."""

from __future__ import annotations

import tracemalloc
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.features import decode
from assets.features.decode import Clip, DecodeError, decode_clips, probe
from ml.vision.sampling import Sampling, SourceVideo
from tests.videos import HEIGHT, TICK, WIDTH, copied, end_of, number_of, numbered, silence, steady

BLACK = 0
"""Number of a black picture; it is also that of frame 0, which no clip here is padded with."""

FRAMES_2D = Sampling(Fraction(1), HEIGHT, None)
CLIPS_3D = Sampling(Fraction(24), HEIGHT, None, 16, padding="zero")
SLOWFAST = Sampling(Fraction(30), HEIGHT, None, 45, (0, 9, 17, 26, 34, 43, 44, 44), "at")
STREAMS = {"2d": FRAMES_2D, "3d": CLIPS_3D, "slowfast": SLOWFAST}

UNEVEN = [time + Fraction(7 * number % 5, 200) for number, time in enumerate(steady(Fraction(20)))]
RATES = {
    "23.976": steady(Fraction(24000, 1001)),
    "25": steady(Fraction(25)),
    "29.97": steady(Fraction(30000, 1001)),
    "30": steady(Fraction(30)),
    "uneven": UNEVEN,
}


def by_the_rule(times: list[Fraction], end: Fraction, sampling: Sampling) -> list[list[int]]:
    """Numbers of the frames in each clip, from the rule as it is written down in ``decode_clips``."""
    times = [round(time / TICK) * TICK for time in times]
    rate, length = sampling.frame_rate, sampling.clip_frames
    pictures: list[int] = []
    while True:
        middle, begin = (len(pictures) + Fraction(1, 2)) / rate, len(pictures) / rate
        if pictures and (middle > end if sampling.rule == "middle" else begin >= end):
            break
        shown = bisect_left(times, middle) if sampling.rule == "middle" else bisect_right(times, begin)
        pictures.append(max(0, shown - 1))
    filling = pictures[-1] if sampling.padding == "repeat" else BLACK
    pictures += [filling] * (-len(pictures) % length)
    return [[pictures[first + offset] for offset in sampling.pictures] for first in range(0, len(pictures), length)]


def clips_of(path: Path, samplings: Mapping[str, Sampling]) -> dict[str, list[Clip]]:
    streams: dict[str, list[Clip]] = defaultdict(list)
    for clip in decode_clips(path, samplings):
        streams[clip.stream].append(clip)
    for clips in streams.values():
        assert [clip.row for clip in clips] == list(range(len(clips)))
    return streams


def numbers(clips: list[Clip]) -> list[list[int]]:
    return [[number_of(image) for image in clip.pictures] for clip in clips]


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each time that a file is decoded, whether this was done sparsely."""
    seen: list[bool] = []
    original: Callable[..., Iterator[Clip]] = decode._clips
    monkeypatch.setattr(decode, "_clips", lambda *args: seen.append(args[-1]) or original(*args))
    return seen


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    "options",
    [
        {"g": "50", "bf": "3"},
        {"g": "12", "bf": "0"},
        {"g": "25", "bf": "3", "x264-params": "open-gop=1:b-pyramid=normal:scenecut=0"},
    ],
    ids=["b-frames", "no b-frames", "open groups"],
)
def test_each_stream_gets_exactly_its_frames(
    tmp_path: Path, rate: str, options: dict[str, str], readings: list[bool]
) -> None:
    times = RATES[rate]
    path = numbered(tmp_path / "v.mp4", times, **options)
    clips = clips_of(path, STREAMS)
    for name, sampling in STREAMS.items():
        expected = by_the_rule(times, end_of(path), sampling)
        assert numbers(clips[name]) == expected
        shown_at = [float(times[row[0]]) for row in expected]
        assert [clip.time_s for clip in clips[name]] == pytest.approx(shown_at, abs=4e-5)
    for sampling in (FRAMES_2D, Sampling(Fraction(25, 24), HEIGHT, None, rule="at")):
        assert numbers(clips_of(path, {"": sampling})[""]) == by_the_rule(times, end_of(path), sampling)
    assert readings == [True] * 3


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbered(tmp_path_factory.mktemp("videos") / "uneven.mp4", UNEVEN, g="25", bf="3")


@st.composite
def samplings(draw: st.DrawFn) -> Sampling:
    length = draw(st.integers(1, 20))
    offsets = st.none() | st.lists(st.integers(0, length - 1), min_size=1, max_size=6).map(tuple)
    return Sampling(
        draw(st.fractions(Fraction(1, 3), 40, max_denominator=1001)),
        HEIGHT,
        None,
        length,
        draw(offsets),
        draw(st.sampled_from(["middle", "at"])),
        draw(st.sampled_from(["repeat", "zero"])),
    )


@settings(max_examples=40, deadline=None)
@given(samplings(), samplings(), samplings())
def test_one_pass_for_three_streams_equals_three_passes(
    uneven: Path, first: Sampling, second: Sampling, third: Sampling
) -> None:
    wanted = {"first": first, "second": second, "third": third}
    together = clips_of(uneven, wanted)
    for name, sampling in wanted.items():
        alone = clips_of(uneven, {name: sampling})[name]
        assert [clip.time_s for clip in alone] == [clip.time_s for clip in together[name]]
        assert all(
            np.array_equal(one.pictures, other.pictures) for one, other in zip(alone, together[name], strict=True)
        )
        assert numbers(alone) == by_the_rule(UNEVEN, end_of(uneven), sampling)


def test_streams_come_as_they_are_ready_and_may_depend_on_the_video(uneven: Path) -> None:
    def wanted(video: SourceVideo) -> dict[str, Sampling]:
        assert video == probe(uneven).source
        return {"slow": Sampling(Fraction(1), HEIGHT, None), "fast": Sampling(Fraction(2), HEIGHT, None)}

    assert [clip.stream for clip in decode_clips(uneven, wanted)][:6] == [
        "fast",
        "slow",
        "fast",
        "fast",
        "slow",
        "fast",
    ]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("v.webm", "libvpx-vp9", {}),
        ("v.webm", "libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16", "g": "45"}),
        ("v.mkv", "libx264", {}),
        ("v.mp4", "libx265", {"x265-params": "log-level=none:keyint=30"}),
        ("v.mp4", "libsvtav1", {"preset": "12", "g": "30", "svtav1-params": "fast-decode=0"}),
        ("v.ts", "libx264", {"g": "30"}),
        ("v.avi", "mpeg4", {"bf": "2"}),
        ("v.avi", "libx264", {}),
    ],
)
def test_other_containers_and_codecs(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], readings: list[bool]
) -> None:
    path = numbered(tmp_path / name, steady(Fraction(30), 3), codec, **options)
    clips = clips_of(path, {"2d": FRAMES_2D, "all": Sampling(Fraction(30), HEIGHT, None)})
    assert numbers(clips["2d"]) == [[14], [44], [74]]
    assert numbers(clips["all"])[:89] == [[number] for number in range(89)]
    assert numbers(clips_of(path, {"2d": Sampling(Fraction(10, 7), HEIGHT, None)})["2d"]) == [[10], [31], [52], [73]]
    assert readings == [name != "v.avi"] * 2
    info = probe(path)
    assert (info.width, info.height) == (WIDTH, HEIGHT)
    assert info.duration_s == pytest.approx(3, abs=0.14)


def test_time_counts_from_the_start_of_the_file(tmp_path: Path) -> None:
    late = numbered(tmp_path / "late.mov", [time + Fraction(17, 10) for time in steady(Fraction(30), 2)], sound_s=2)
    clips = clips_of(late, {"2d": FRAMES_2D})["2d"]
    assert numbers(clips) == [[0], [0], [23], [53]]
    assert [clip.time_s for clip in clips] == pytest.approx([1.7, 1.7, 1.7 + 23 / 30, 1.7 + 53 / 30], abs=1e-4)
    plain = numbered(tmp_path / "v.mp4", steady(Fraction(30), 3))
    shifted = clips_of(copied(plain, tmp_path / "shifted.mp4", Fraction(10)), {"2d": FRAMES_2D})["2d"]
    assert numbers(shifted) == [[14], [44], [74]]
    assert [clip.time_s for clip in shifted] == pytest.approx([14 / 30, 44 / 30, 74 / 30], abs=1e-4)


def test_what_an_edit_list_cuts_off_is_not_shown(tmp_path: Path, readings: list[bool]) -> None:
    whole = numbered(tmp_path / "v.mp4", steady(Fraction(30), 3), bf="3")
    later = copied(whole, tmp_path / "later.mp4", Fraction(-1))
    assert numbers(clips_of(later, {"2d": FRAMES_2D})["2d"]) == [[44], [74]]
    content = bytearray(whole.read_bytes())
    length = content.index(b"elst") + 12  # ISO/IEC 14496-12, 8.6.6: of the only entry, in milliseconds here
    content[length : length + 4] = (1500).to_bytes(4, "big")
    (tmp_path / "sooner.mp4").write_bytes(content)
    assert numbers(clips_of(tmp_path / "sooner.mp4", {"2d": FRAMES_2D})["2d"]) == [[14], [44]]
    assert readings == [True, True]


@pytest.mark.parametrize("start", [Fraction(1, 2), Fraction(7), Fraction(3600)])
@pytest.mark.parametrize(
    ("name", "codec"), [("v.mkv", "libx264"), ("v.webm", "libvpx-vp9"), ("v.mp4", "libx264"), ("v.flv", "flv")]
)
def test_a_file_that_starts_late_has_its_own_length(tmp_path: Path, name: str, codec: str, start: Fraction) -> None:
    path = numbered(tmp_path / name, [start + time for time in steady(Fraction(30), 6)], codec)
    assert probe(path).duration_s == pytest.approx(6, abs=0.1)
    assert numbers(clips_of(path, {"2d": FRAMES_2D})["2d"]) == [[14 + 30 * second] for second in range(6)]
    if name != "v.mp4":  # the index of an MP4 file is at its end, so that less is left of it
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(DecodeError, match=r"truncated, it ends at [23]\.\d s of [56]\.\d s"):
            probe(path)


def test_a_picture_track_that_was_cut_off_is_noticed(tmp_path: Path) -> None:
    cut = numbered(tmp_path / "cut.mov", steady(Fraction(30), 3), sound_s=8)
    with pytest.raises(
        DecodeError, match=r"^cut.mov: its pictures end at 3\.0 s, its sound at 8\.0 s: a part .* missing"
    ):
        probe(cut)
    assert probe(numbered(tmp_path / "v.mov", steady(Fraction(30), 7), sound_s=8)).duration_s == pytest.approx(
        8, abs=0.1
    )


@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9"])
def test_a_recording_may_begin_between_key_frames(tmp_path: Path, codec: str, readings: list[bool]) -> None:
    whole = numbered(tmp_path / "v.mp4", steady(Fraction(30), 4), codec, g="45", sc_threshold="0", bf="0")
    path = copied(whole, tmp_path / "from 10 on.mkv", leave_out=10)
    (first, *others) = clips_of(path, {"2d": FRAMES_2D})["2d"]
    assert numbers([first, *others]) == [[45], [54], [84], [114]]
    assert first.time_s == pytest.approx(35 / 30, abs=1e-3)
    assert readings == [True, False]


@pytest.mark.parametrize("seconds", [0, Fraction(1, 5)])
def test_the_shortest_videos_have_one_row_of_each_stream(tmp_path: Path, seconds: Fraction) -> None:
    path = numbered(tmp_path / "v.mp4", steady(Fraction(30), 1)[: max(1, int(seconds * 30))])
    clips = clips_of(path, STREAMS)
    assert {name: len(rows) for name, rows in clips.items()} == {"2d": 1, "3d": 1, "slowfast": 1}
    assert all(rows[0].time_s == 0 for name, rows in clips.items() if name != "2d")
    if not seconds:
        assert numbers(clips["slowfast"]) == [[0] * 8]
        assert clips["3d"][0].pictures[1:].max() == 0


@pytest.mark.parametrize(
    ("short_side", "crop", "shape"), [(24, None, (24, 64, 3)), (24, 20, (20, 20, 3)), (55, None, (55, 146, 3))]
)
def test_scaling_and_cropping(tmp_path: Path, short_side: int, crop: int | None, shape: tuple[int, ...]) -> None:
    path = numbered(tmp_path / "v.mp4", steady(Fraction(10), 1))
    (clip,) = decode_clips(path, {"2d": Sampling(Fraction(1), short_side, crop)})
    assert clip.pictures.shape == (1, *shape)
    assert clip.pictures.dtype == np.uint8


@pytest.mark.parametrize(("width", "height"), [(65, 47), (64, 47), (7680, 4320)])
def test_pictures_of_any_size_are_those_of_a_bicubic_scaler(tmp_path: Path, width: int, height: int) -> None:
    path = tmp_path / "v.mkv"
    noise = np.random.default_rng(0).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=1, options={"strict": "unofficial"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        image = np.ascontiguousarray(noise.repeat(8, 0).repeat(8, 1)[:height, :width])
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    (clip,) = decode_clips(path, {"2d": Sampling(Fraction(1), 24, None)})
    with av.open(str(path)) as container:
        (frame,) = container.decode(video=0)
        plain = frame.reformat(width * 24 // height, 24, "rgb24", interpolation=Interpolation.BICUBIC).to_ndarray()
    assert np.array_equal(clip.pictures[0], plain)


@pytest.mark.parametrize(("turn", "shape", "back"), [(-90, (128, 48), 1), (90, (128, 48), -1), (180, (48, 128), 2)])
def test_a_phone_held_upright_is_turned(tmp_path: Path, turn: int, shape: tuple[int, int], back: int) -> None:
    path = numbered(tmp_path / "v.mp4", steady(Fraction(10), 1), turn=turn)
    (clip,) = decode_clips(path, {"2d": Sampling(Fraction(1), HEIGHT, None)})
    assert clip.pictures.shape == (1, *shape, 3)
    assert number_of(np.rot90(clip.pictures[0], back)) == 4


def test_memory_does_not_grow_with_the_video(tmp_path: Path) -> None:
    peaks = []
    for seconds in (3, 30):
        path = numbered(tmp_path / f"{seconds}.mp4", steady(Fraction(30), seconds), preset="ultrafast")
        tracemalloc.start()
        for clip in decode_clips(path, STREAMS):
            size = clip.pictures.nbytes
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 3 * size


def broken(folder: Path) -> Iterator[tuple[Path, str]]:
    """Files that cannot be decoded, each with the start of its error."""
    whole = numbered(folder / "whole.mp4", steady(Fraction(25)))
    webm = numbered(folder / "whole.webm", steady(Fraction(25)), "libvpx-vp9").read_bytes()
    front = copied(whole, folder / "front.mp4", movflags="faststart").read_bytes()
    key = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "01" * 16, "encryption_kid": "02" * 16}
    encrypted = copied(whole, folder / "with key.mp4", **key).read_bytes()
    with av.open(str(folder / "silence.wav"), "w") as container:
        silence(container, 1)
    for name, content, problem in (
        ("absent.mp4", None, "No such file"),
        ("empty.mp4", b"", "zero bytes"),
        ("text.txt", b"not a video\n" * 99, "not a video"),
        ("text.mp4", b"not a video\n" * 99, "Invalid data"),
        ("cut.mp4", whole.read_bytes()[: whole.stat().st_size // 2], "Invalid data"),
        ("cut.webm", webm[: len(webm) // 2], "truncated, it ends at"),
        ("front.mp4", front[: len(front) // 2], ""),
        ("sound.wav", (folder / "silence.wav").read_bytes(), "no video stream"),
        ("encrypted.mp4", encrypted, "encrypted"),
    ):
        path = folder / name
        if content is not None:
            path.write_bytes(content)
        yield path, problem


def test_broken_files_are_named_with_what_is_wrong(tmp_path: Path) -> None:
    for path, problem in broken(tmp_path):
        with pytest.raises(DecodeError, match=f"^{path.name}: {problem}"):
            probe(path)
        with pytest.raises(DecodeError, match=f"^{path.name}: {problem}"):
            list(decode_clips(path, STREAMS))


@pytest.mark.parametrize(
    ("name", "codec", "size"),
    [
        ("v.mp4", "libx264", 20_000),
        ("v.mp4", "libx264", 8),
        ("v.mkv", "libx264", 20_000),
        ("v.webm", "libvpx-vp9", 20_000),
    ],
)
def test_damage_is_named_with_its_time(tmp_path: Path, name: str, codec: str, size: int) -> None:
    path = tmp_path / name
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options={"g": "10", "deadline": "realtime"})
        stream.width, stream.height = WIDTH, HEIGHT
        for _ in range(60):
            image = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    every = {"every": Sampling(Fraction(10), HEIGHT, None)}
    good = clips_of(path, every)["every"]
    assert len(good) == 60
    content = bytearray(path.read_bytes())
    begin = len(content) // 4
    content[begin : begin + size] = bytes(byte ^ 0x55 for byte in content[begin : begin + size])
    path.write_bytes(content)
    before = []
    with pytest.raises(DecodeError, match=rf"^{name}: damaged (at|before) [123]\.\d s"):
        before.extend(decode_clips(path, every))
    assert all(np.array_equal(clip.pictures, good[clip.row].pictures) for clip in before)


def test_two_recordings_in_one_file_are_not_taken_for_one(tmp_path: Path) -> None:
    path = numbered(tmp_path / "v.ts", steady(Fraction(30)))
    path.write_bytes(2 * path.read_bytes())
    with pytest.raises(DecodeError, match=r"^v.ts: time jumps back from 6\.0 s"):
        list(decode_clips(path, STREAMS))
