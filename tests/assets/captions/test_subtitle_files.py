"""SubStation, MicroDVD, SubViewer, sbv and SAMI."""

from __future__ import annotations

import pytest

from assets.captions.cues import CaptionError
from assets.captions.readers import read_captions

ASS = r"""[Script Info]
ScriptType: v4.00+
[V4+ Styles]
Style: Default,Arial,20,&H00FFFFFF,&H0,&H0,&H0,0,0,0,0,100,100,0,0,1,2,2,2,10,10,10,1
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,a note
Dialogue: 0,0:00:01.50,0:00:03.00,Default,,0,0,0,,{\i1}fold{\i0} the corner,\Nthen press
Dialogue: 1,0:00:01.50,0:00:03.00,Default,,0,0,0,,{\i1}fold{\i0} the corner,\Nthen press
Dialogue: 0,0:00:02.00,0:00:03.00,Default,,0,0,0,,{\p1}m 0 0 l 10 10{\p0}
Dialogue: 0,soon,0:00:05.00,Default,,0,0,0,,never
"""


def lines(data: str, format: str) -> list[tuple[float, float, str]]:
    return [(line.start_s, line.end_s, line.text) for line in read_captions(data.encode(), format).lines]


def test_substation_without_comments_drawings_and_layers() -> None:
    assert lines(ASS, "ass") == [(1.5, 3.0, "fold the corner, then press")]
    (problem,) = read_captions(ASS.encode(), "ass").problems
    assert problem.name == "ass captions: line 11" and "soon" in problem.problem


def test_sub_files_are_of_several_kinds() -> None:
    assert lines("{1}{1}25\n{25}{50}{y:i}sand it|twice\n", "sub") == [(1.0, 2.0, "sand it twice")]
    assert lines("[INFORMATION]\n\n00:00:01.50,00:00:02.00\nsand it[br]twice\n", "sub") == [(1.5, 2.0, "sand it twice")]
    with pytest.raises(CaptionError, match=r"frames of an unknown rate; write it above them, as \{1\}\{1\}25"):
        read_captions(b"{25}{50}sand it\n", "sub")
    with pytest.raises(CaptionError, match="pictures of text; convert it"):
        read_captions(b"\0\0\x01\xba\x44", "sub")


def test_youtubes_sbv() -> None:
    assert lines("0:00:01.000,0:00:02.500\nsand it\ntwice\n\n0:00:03.000,0:00:04.000\ndone\n", "sbv") == [
        (1.0, 2.5, "sand it twice"),
        (3.0, 4.0, "done"),
    ]


SAMI = """<SAMI><HEAD><STYLE TYPE="text/css"><!-- P {margin: 0}
.KRCC {Name: Korean; lang: ko-KR;} .SUBS {Name: English; lang: en-US;} --></STYLE></HEAD><BODY>
<SYNC Start=1000><P Class=KRCC>자르다<P Class=SUBS>cut it<br>in <i>half</i>
<SYNC Start=4000><P Class=SUBS>&nbsp;
<SYNC Start=9000><P Class=KRCC>끝
<SYNC Begin=9500><P Class=SUBS>lost
<SYNC Start=10000><P Class=SUBS>done</BODY></SAMI>"""


def test_sami_in_its_english_texts_until_they_are_replaced() -> None:
    assert lines(SAMI, "smi") == [(1.0, 4.0, "cut it in half"), (10.0, 11.5, "done")]
    (problem,) = read_captions(SAMI.encode(), "sami").problems
    assert (problem.name, problem.problem) == ("sami captions: line 6", "not a time: <SYNC Begin=9500>")
