"""Annotation files: what is written comes back, the published layout is met, and faults are named by file and line."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml.hero.data import annotations as files
from ml.hero.data.annotations import CaptionedClip, Description, Question, Statement
from ml.hero.data.subtitles import Line, plain, read_subtitles, write_subtitles

texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1)
names = st.text("abcdef_-0123456789", min_size=1, max_size=11)
numbers = st.integers(0, 10**6)
seconds = st.floats(0, 500, width=32)
spans = st.tuples(seconds, seconds)
rests = st.dictionaries(st.sampled_from(["show_name", "located_frame"]), st.lists(numbers), max_size=2)

tvr = st.builds(
    Description,
    numbers,
    texts,
    names | st.none(),
    st.lists(spans, max_size=4).map(tuple),
    seconds | st.none(),
    st.sampled_from(["v", "t", "vt"]) | st.none(),
    st.none(),
    rests,
)
msrvtt = st.builds(Description, numbers | names, texts, names, st.just(()), rest=rests)
tvqa = st.builds(
    Question,
    numbers,
    texts,
    st.tuples(*[texts] * 5),
    st.integers(0, 4) | st.none(),
    names,
    spans | st.none(),
    rests,
)
violin = st.builds(Statement, names, texts, names, st.booleans() | st.none(), rests)
tvc = st.builds(
    CaptionedClip, numbers, names, seconds, spans, st.lists(st.tuples(numbers, texts), max_size=3).map(tuple), rests
)


@pytest.mark.parametrize(
    ("write", "read", "records"),
    [
        (files.write_tvr, files.read_tvr, tvr),
        (files.write_msrvtt, files.read_msrvtt, msrvtt),
        (files.write_tvqa, files.read_tvqa, tvqa),
        (files.write_violin, files.read_violin, violin),
        (files.write_tvc, files.read_tvc, tvc),
    ],
)
def test_what_is_written_is_read(tmp_path, write, read, records):
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(records, max_size=3))
    def check(written):
        write(tmp_path / "file.jsonl", written)
        assert read(tmp_path / "file.jsonl") == written

    check()


LINES = {
    "tvr": {"desc_id": 9, "desc": "They eat.", "vid_name": "s01", "duration": 61.46, "ts": [5.2, 9.0], "type": "v"},
    "tvr (secret)": {"desc_id": 1, "desc": "They eat.", "type": "vt"},
    "tvr (DiDeMo)": {"desc_id": 2, "desc": "a dog", "vid_name": "v", "duration": 30, "ts": [[0.0, 5.0], [5.0, 10.0]]},
    "msrvtt": {"retrieval_key": "ret0", "clip_name": "video9770", "caption": "a person speaks"},
    "tvqa": {"qid": 7, "q": "Who?", "vid_name": "s", "show_name": "x", "ts": "76.01-84", "answer_idx": 1}
    | {f"a{index}": f"no {index}" for index in range(5)},
    "tvqa (no time)": {"qid": 8, "q": "Who?", "vid_name": "s", "ts": "nan-nan"}
    | {f"a{index}": "no" for index in range(5)},
    "violin": {"desc_id": "12-0", "desc": "He leaves.", "vid_name": "v", "label": 1},
    "tvc": {"clip_id": 3, "vid_name": "v", "duration": 60.0, "ts": [1.0, 2.0], "descs": [{"desc_id": 4, "desc": "He"}]},
}  # fmt: skip


@pytest.mark.parametrize("kind", LINES)
def test_a_published_line_comes_back_whole(tmp_path, kind):
    path, form = tmp_path / "file.jsonl", kind.split()[0]
    path.write_text(json.dumps(LINES[kind]) + "\n")
    getattr(files, f"write_{form}")(path, getattr(files, f"read_{form}")(path))
    assert json.loads(path.read_text()) == LINES[kind]


def test_how2r_counts_from_the_start_of_the_whole_video(tmp_path):
    path = tmp_path / "how2r.csv"
    text = 'abc,[60:120],[74.28:84.4],"pour, then stir"\n'
    path.write_text(text)
    found = files.read_how2r(path)
    assert found == [Description(0, "pour, then stir", "abc", ((74.28, 84.4),), clip=(60.0, 120.0))]
    files.write_how2r(path, found)
    assert path.read_text() == text


def test_the_right_answer_of_how2qa_is_last(tmp_path):
    path = tmp_path / "how2qa.csv"
    text = "abc,[0:12.5],red,blue,green,What colour is it?,pink\n"
    path.write_text(text)
    (question,) = files.read_how2qa(path)
    assert (question.text, question.options[question.answer]) == ("What colour is it?", "pink")
    files.write_how2qa(path, [question])
    assert path.read_text() == text
    # Wherever the right answer stood, it is written last.
    files.write_how2qa(path, [Question(0, "Q", ("right", "a", "b", "c"), 0, "v", (0, 1))])
    assert path.read_text() == "v,[0:1],a,b,c,Q,right\n"


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        ("tvr", '{"desc_id": 1}', r"file:1: has no 'desc'"),
        ("tvr", '{"desc_id": 1, "desc": "x", "ts": [1]}', r"file:1: not enough values"),
        ("violin", "{}\nnonsense", r"file:1: has no 'desc_id'"),
        ("tvqa", "[]", r"file:1: a JSON list instead of an object"),
        ("tvr", '{"desc_id": 1, "desc": "x", "ts": [1, NaN]}', r"file:1: 'nan' is no number of seconds"),
        ("tvr", '{"desc_id": 1, "desc": 7}', r"file:1: desc is a int, not a text"),
        (
            "violin",
            '{"desc_id": "1-0", "desc": "x", "vid_name": "v", "label": "0"}',
            r"file:1: label is '0', not 0 or 1",
        ),
        (
            "msrvtt",
            '{"sen_id": 1, "clip_name": "v", "caption": "\\ud83d"}',
            r"file:1: caption holds half of a surrogate",
        ),
        ("how2r", "abc,[0:60],sentence", r"file:1: 3 fields instead of 4"),
        ("how2r", "abc,[0:60],[1-2],sentence", r"file:1: '\[1-2\]' is no interval"),
    ],
)
def test_a_fault_is_named_by_file_and_line(tmp_path, read, text, message):
    (tmp_path / "file").write_text(text)
    with pytest.raises(ValueError, match=message):
        getattr(files, f"read_{read}")(tmp_path / "file")


def test_statements_come_in_pairs():
    assert Statement("12-0", "He leaves.", "v", True).opposite_id == "12-1"
    with pytest.raises(ValueError, match="end in -0 and -1"):
        _ = Statement("12", "He leaves.", "v", True).opposite_id


def test_subtitles_are_written_by_their_start(tmp_path):
    path = tmp_path / "subtitles.jsonl"
    first, second = Line(0.5, 2.0, "Hello &amp; welcome"), Line(1.5, 4.0, "GO")
    write_subtitles(path, {"a": [second, first], "b": []})
    assert read_subtitles(path) == {"a": [first, second], "b": []}
    assert [plain(line.text) for line in (first, second)] == ["Hello & welcome", "go"]
