"""TTML in every namespace, with times in all their forms and on every element that may have them."""

from __future__ import annotations

import pytest

from assets.captions.readers import read_captions

NAMESPACES = ("http://www.w3.org/ns/ttml", "http://www.w3.org/2006/04/ttaf1", "http://www.w3.org/2006/10/ttaf1", "")


def document(body: str, parameters: str = "", namespace: str = NAMESPACES[0]) -> bytes:
    names = f'xmlns="{namespace}" xmlns:ttp="{namespace}#parameter"' if namespace else 'xmlns:ttp="#parameter"'
    return f"<tt {names} {parameters}><head><metadata>not said</metadata></head>{body}</tt>".encode()


def lines(data: bytes) -> list[tuple[float, float, str]]:
    read = read_captions(data, "dfxp")
    assert read.problems == ()
    return [(line.start_s, line.end_s, line.text) for line in read.lines]


def test_times_in_all_their_forms() -> None:
    body = """<body begin="10s"><div>
        <p begin="00:00:01.5" end="00:00:02:05">two<br/><span>rows</span></p>
        <p begin="30t" dur="500ms">ticks</p><p begin="0.1m">no end</p><p begin="8" end="9s">last</p>
        <p begin="00:00:20,25" end="00:21.5">a comma, no hours</p></div></body>"""
    assert lines(document(body, 'ttp:frameRate="25" ttp:tickRate="10"')) == [
        (11.5, 12.2, "two rows"),
        (13.0, 13.5, "ticks"),
        (16.0, 18.0, "no end"),
        (18.0, 19.0, "last"),
        (30.25, 31.5, "a comma, no hours"),
    ]


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize(
    ("parameters", "time", "seconds"),
    [
        ('ttp:tickRate="50"', "125t", 2.5),
        ('ttp:frameRate="24"', "48t", 2.0),  # without a tick rate, a tick is a frame
        ('ttp:frameRate="24" ttp:subFrameRate="2"', "48t", 1.0),
        ("", "3t", 3.0),  # and a second where no frames are used
        ('ttp:frameRate="10"', "00:00:01:05", 1.5),
        ('ttp:frameRate="10" ttp:subFrameRate="2"', "00:00:01:05.1", 1.55),
        ('ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001"', "30f", 1.001),
        ('ttp:frameRate="30" ttp:frameRateMultiplier="1000:1001"', "30f", 1.001),
        ('ttp:timeBase="smpte" ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001"', "00:00:10:00", 10.01),
        (
            'ttp:timeBase="smpte" ttp:dropMode="dropNTSC" ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001"',
            "00:10:00:00",
            599.9994,
        ),
    ],
)
def test_the_rates_of_a_document_are_its_own(namespace: str, parameters: str, time: str, seconds: float) -> None:
    body = f'<body><div><p begin="{time}" dur="1s">sand it</p></div></body>'
    assert lines(document(body, parameters, namespace)) == [pytest.approx((seconds, seconds + 1, "sand it"))]


def test_times_on_any_element() -> None:
    body = """<body><div begin="10s" end="20s"><p>the whole part</p><p begin="8s" end="15s">cut at its end</p></div>
        <div timeContainer="seq"><p dur="2s">first</p><p begin="1s" dur="2s">then</p></div>
        <div><p begin="30s" end="34s">now <span begin="1s" end="2s">fold</span> <b/><span>it</span></p></div></body>"""
    assert lines(document(body)) == [
        (10.0, 20.0, "the whole part"),
        (18.0, 20.0, "cut at its end"),
        (0.0, 2.0, "first"),
        (3.0, 5.0, "then"),
        (30.0, 34.0, "now it"),
        (31.0, 32.0, "fold"),
    ]


def test_a_broken_time_costs_what_it_times() -> None:
    body = """<body><div begin="x"><p begin="1s">lost</p></div>
        <div><p begin="1s" end="2s">kept</p><p>no time</p></div></body>"""
    read = read_captions(document(body), "ttml")
    assert [line.text for line in read.lines] == ["kept"]
    assert [(problem.name, problem.problem) for problem in read.problems] == [
        ("ttml captions: <div> after <p> -1", "'x' is not a time; what is in it is set aside"),
        ("ttml captions: <p> 1", "has no begin: no time"),
    ]
