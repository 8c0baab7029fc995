"""Metrics of captions against references: BLEU-4, METEOR of 2005, ROUGE-L and CIDEr-D, without Java.

The formulas of BLEU, ROUGE-L and CIDEr-D are those of COCO's caption scorer; captions are split by rules close to those
of the Penn Treebank. COCO's METEOR 1.5 also matches synonyms and paraphrases, and its values are lower. See
``ml.metrics.coco_captioning`` for the published scorer.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from gensim.parsing.porter import PorterStemmer

Words = Sequence[str]
Ngrams = Counter[tuple[str, ...]]

ORDER = 4
"""The longest n-grams of BLEU-4 and CIDEr-D."""
ROUGE_BETA = 1.2
CIDER_SIGMA = 6.0
BEAM = 40
"""Partial alignments of METEOR that the beam search keeps."""

_TOKEN = re.compile(
    r"""\w+?(?=n't\b)|n't\b              # don't -> do n't
      |'(?:s|m|d|re|ve|ll)\b             # it's -> it 's
      |\w+(?:[-./,&@]\w+)*               # words, numbers, abbreviations, compounds stay whole
      |[^\w\s]""",
    re.VERBOSE | re.IGNORECASE,
)
_DROPPED = frozenset("'`\"()[]{}.?!,:;-\N{HORIZONTAL ELLIPSIS}\N{EN DASH}\N{EM DASH}")


def words(caption: str) -> list[str]:
    """Lower-case words without punctuation, with contractions split; close to COCO's tokenizer, not equal to it."""
    plain = caption.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").lower()
    return [token for token in _TOKEN.findall(plain) if token not in _DROPPED]


def captioning_metrics(captions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """BLEU-4, METEOR of 2005 and ROUGE-L (at most 1), CIDEr-D (at most 10), and the number of captions.

    Args:
        captions: one per clip.
        references: reference captions of each clip, at least one.

    Raises:
        ValueError: there is no caption, or a clip has no reference.
    """
    if not captions:
        raise ValueError("no caption: a score needs at least one")
    if len(captions) != len(references):
        raise ValueError(
            f"{len(captions)} captions and references of {len(references)} clips: need one caption per clip"
        )
    for clip, texts in enumerate(references):
        if not texts:
            raise ValueError(f"clip {clip} has no reference; leave it out of the evaluation")
    split = [words(caption) for caption in captions]
    split_references = [[words(text) for text in texts] for texts in references]
    pairs = list(zip(split, split_references, strict=True))
    return {
        "BLEU-4": bleu(split, split_references),
        "METEOR-2005": float(np.mean([meteor(caption, texts) for caption, texts in pairs])),
        "ROUGE-L": float(np.mean([rouge_l(caption, texts) for caption, texts in pairs])),
        "CIDEr-D": float(np.mean(cider_d(split, split_references))),
        "captions": len(captions),
    }


def bleu(captions: Sequence[Words], references: Sequence[Sequence[Words]]) -> float:
    """BLEU-4 of a corpus (Papineni 2002): clipped precisions' geometric mean times the brevity penalty.

    The reference length is the one nearest to the caption's, of two equally near ones the shorter.
    """
    matched, made = np.zeros(ORDER), np.zeros(ORDER)
    length = reference_length = 0
    for caption, texts in zip(captions, references, strict=True):
        length += len(caption)
        reference_length += min((len(text) for text in texts), key=lambda n: (abs(n - len(caption)), n))
        for order in range(ORDER):
            have, most = _ngrams(caption, order + 1), Counter[tuple[str, ...]]()
            for text in texts:
                most |= _ngrams(text, order + 1)
            matched[order] += (have & most).total()
            made[order] += have.total()
    if not matched.all():
        return 0.0
    brevity = min(1.0, math.exp(1 - reference_length / length))
    return brevity * float(np.exp(np.log(matched / made).mean()))


def rouge_l(caption: Words, references: Sequence[Words]) -> float:
    """F of the longest common subsequence, beta 1.2, from the best precision and the best recall of the references."""
    if not caption or not any(references):
        return 0.0
    shared = [_common_subsequence(caption, text) for text in references]
    precision = max(shared) / len(caption)
    recall = max(n / len(text) for n, text in zip(shared, references, strict=True) if text)
    if not precision:
        return 0.0
    return (1 + ROUGE_BETA**2) * precision * recall / (recall + ROUGE_BETA**2 * precision)


def meteor(caption: Words, references: Sequence[Words]) -> float:
    """METEOR of the best reference (Banerjee and Lavie 2005): ``10PR/(R+9P) * (1 - (chunks/matches)^3 / 2)``.

    Words are matched if they are equal, then if their Porter stems are equal. Of all alignments with the most matches
    the one with the fewest crossings is used.
    """
    return max((_meteor(caption, text) for text in references), default=0.0)


def cider_d(captions: Sequence[Words], references: Sequence[Sequence[Words]]) -> list[float]:
    """CIDEr-D of each caption (Vedantam 2015, section 5): clipped tf-idf cosines, mean over n = 1..4, times 10.

    Document frequencies of n-grams are counted over the clips' references; with one clip every score is 0.
    """
    clips_with: Ngrams = Counter()
    for texts in references:
        clips_with.update({ngram for text in texts for n in range(ORDER) for ngram in _ngrams(text, n + 1)})
    most = math.log(len(references))

    def vectors(text: Words) -> list[dict[tuple[str, ...], float]]:
        return [
            {ngram: count * (most - math.log(max(1, clips_with[ngram]))) for ngram, count in _ngrams(text, n).items()}
            for n in range(1, ORDER + 1)
        ]

    scores = []
    for caption, texts in zip(captions, references, strict=True):
        mine = vectors(caption)
        alike = [
            math.exp(-((len(caption) - len(text)) ** 2) / (2 * CIDER_SIGMA**2))
            * float(np.mean([_clipped_cosine(one, other) for one, other in zip(mine, vectors(text), strict=True)]))
            for text in texts
        ]
        scores.append(10 * float(np.mean(alike)))
    return scores


def _ngrams(text: Words, n: int) -> Ngrams:
    return Counter(tuple(text[first : first + n]) for first in range(len(text) - n + 1))


def _clipped_cosine(caption: dict[tuple[str, ...], float], reference: dict[tuple[str, ...], float]) -> float:
    """``min(c, r) · r / (|c| |r|)``: repeating a word of the reference does not increase it."""
    product = sum(min(caption[ngram], reference[ngram]) * reference[ngram] for ngram in caption.keys() & reference)
    norms = math.hypot(*caption.values()) * math.hypot(*reference.values())
    return product / norms if norms else 0.0


def _common_subsequence(one: Words, other: Words) -> int:
    row = [0] * (len(other) + 1)
    for word in one:
        diagonal = 0
        for place, candidate in enumerate(other, 1):
            diagonal, row[place] = row[place], diagonal + 1 if word == candidate else max(row[place], row[place - 1])
    return row[-1]


class _Alignment(NamedTuple):
    """Matched positions in caption and reference, the number of crossings, and the number of unmatched words."""

    skipped: int
    crossings: int
    pairs: tuple[tuple[int, int], ...]


def _meteor(caption: Words, reference: Words) -> float:
    pairs: tuple[tuple[int, int], ...] = ()
    stem = PorterStemmer().stem
    forms: tuple[Callable[[str], str], ...] = (str, stem)
    for form in forms:
        pairs = _aligned(caption, reference, form, pairs)
    if not pairs:
        return 0.0
    precision, recall = len(pairs) / len(caption), len(pairs) / len(reference)
    mean = 10 * precision * recall / (recall + 9 * precision)
    return mean * (1 - 0.5 * (_chunks(pairs) / len(pairs)) ** 3)


def _aligned(
    caption: Words, reference: Words, form: Callable[[str], str], pairs: tuple[tuple[int, int], ...]
) -> tuple[tuple[int, int], ...]:
    """``pairs`` with further pairs of words whose forms are equal, found by a beam search."""
    mine, theirs = [form(word) for word in caption], [form(word) for word in reference]
    taken = {place for place, _ in pairs}
    beam = [_Alignment(0, 0, pairs)]
    for place, word in enumerate(mine):
        if place in taken or word not in theirs:
            continue
        grown = []
        for alignment in beam:
            used = {other for _, other in alignment.pairs}
            grown.append(alignment._replace(skipped=alignment.skipped + 1))
            for other, candidate in enumerate(theirs):
                if candidate == word and other not in used:
                    crossed = sum((p - place) * (o - other) < 0 for p, o in alignment.pairs)
                    grown.append(
                        _Alignment(alignment.skipped, alignment.crossings + crossed, (*alignment.pairs, (place, other)))
                    )
        beam = sorted(grown, key=lambda each: (each.skipped, each.crossings))[:BEAM]
    return min(beam, key=lambda each: (each.skipped, each.crossings, _chunks(each.pairs))).pairs


def _chunks(pairs: Sequence[tuple[int, int]]) -> int:
    """Number of runs of pairs that are consecutive in both texts."""
    ordered = sorted(pairs)
    return len(ordered) - sum(b == (a[0] + 1, a[1] + 1) for a, b in pairwise(ordered))
