"""Caption scores against examples that their authors or users published."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.metrics.captioning import bleu, captioning_metrics, cider_d, meteor, rouge_l, words
from ml.metrics.coco_captioning import available, coco_metrics

said = str.split  # the words of an example that is split already

GUIDE = said("It is a guide to action which ensures that the military always obeys the commands of the party")
GUIDES = [
    said("It is a guide to action that ensures that the military will forever heed Party commands"),
    said(
        "It is the guiding principle which guarantees the military forces always being under the command of the Party"
    ),
    said("It is the practical guide for the army always to heed the directions of the party"),
]
CAT = said("the cat sat on the mat")
texts = st.lists(st.sampled_from(said("a b c d")), min_size=1, max_size=7)


def test_bleu_of_the_sentence_in_nltks_manual():
    assert f"{bleu([GUIDE], [GUIDES]):.6f}"[:6] == "0.5045"


def test_bleu_punishes_brevity_and_needs_a_match_of_four():
    assert bleu([CAT[:4]], [[CAT]]) == pytest.approx(math.exp(1 - 6 / 4))
    assert bleu([CAT[:3]], [[CAT]]) == 0


@pytest.mark.parametrize(
    ("candidate", "score"),
    [("the cat sat on the mat", 0.9977), ("on the mat sat the cat", 0.5), ("the cat was sat on the mat", 0.9654)],
)
def test_meteor_of_the_cat_on_the_mat(candidate, score):
    assert meteor(said(candidate), [CAT]) == pytest.approx(score, abs=5e-5)


def test_meteor_pairs_stems_and_takes_the_best_reference():
    assert meteor(said("cats sitting"), [said("a dog"), said("cat sits")]) == pytest.approx(1 - 0.5 / 8)


@pytest.mark.parametrize(("candidate", "score"), [("police kill the gunman", 0.75), ("the gunman kill police", 0.5)])
def test_rouge_l_of_the_example_of_lin_2004(candidate, score):
    assert rouge_l(said(candidate), [said("police killed the gunman")]) == pytest.approx(score)


def test_cider_d_of_the_example_of_aac_metrics():
    captions = ["a man is speaking", "rain falls"]
    references = [
        ["a man speaks.", "someone speaks.", "a man is speaking while a bird is chirping in the background"],
        ["rain is falling hard on a surface"],
    ]
    scores = cider_d([words(text) for text in captions], [[words(text) for text in own] for own in references])
    assert scores == pytest.approx([1.3641, 0.5587], abs=5e-5)
    assert captioning_metrics(captions, references)["CIDEr-D"] == pytest.approx(0.9614, abs=1e-4)


@given(texts, texts)
def test_every_score_is_within_its_range_and_whole_for_the_same_words(one, other):
    for measure in (meteor, rouge_l):
        assert 0 <= measure(one, [other]) <= 1
        assert measure(one, [one]) >= measure(one, [other])
    assert rouge_l(one, [one]) == pytest.approx(1)


def test_words_are_split_as_caption_scorers_do():
    assert words('She doesn\'t say: "It\'s a well-known U.S. song..." (2.5 times)!') == [
        "she", "does", "n't", "say", "it", "'s", "a", "well-known", "u.s", "song", "2.5", "times",
    ]  # fmt: skip


def test_a_clip_without_a_reference_is_named():
    with pytest.raises(ValueError, match="clip 1 has no reference"):
        captioning_metrics(["a", "b"], [["a"], []])


@pytest.mark.campaign
@pytest.mark.skipif(not available(), reason="needs the extra captioning and Java")
def test_the_scorer_of_coco_agrees_on_plain_words_but_for_meteor():
    captions = ["a man is speaking to the crowd", "rain falls on the roof", "whisk the eggs in a bowl"]
    references = [
        ["a man speaks to the crowd", "someone is speaking to the crowd"],
        ["rain is falling hard on the roof", "the rain falls on the roof"],
        ["she is whisking the eggs in a bowl"],
    ]
    ours, theirs = captioning_metrics(captions, references), coco_metrics(captions, references)
    for name in ("BLEU-4", "ROUGE-L", "CIDEr-D"):
        assert ours[name] == pytest.approx(theirs[f"COCO {name}"], abs=1e-6)
    assert theirs["COCO METEOR"] < ours["METEOR-2005"] - 0.1
