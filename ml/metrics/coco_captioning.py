"""COCO's caption scorer with its Penn Treebank tokenizer and METEOR 1.5; it needs the extra ``captioning`` and Java."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib.util import find_spec

PREFIX = "COCO "
"""Of the names of these metrics, which differ from those of ``ml.metrics.captioning`` in tokens and METEOR."""


def available() -> bool:
    """Whether the package and Java are installed."""
    return find_spec("pycocoevalcap") is not None and shutil.which("java") is not None


def coco_metrics(captions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """BLEU-4, METEOR, ROUGE-L and CIDEr-D (COCO's scale: at most 1, CIDEr-D at most 10); empty if not available.

    Args:
        captions: one per clip.
        references: reference captions of each clip.
    """
    if not available():
        return {}
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    tokenizer = PTBTokenizer()
    given = {clip: [{"caption": text} for text in texts] for clip, texts in enumerate(references)}
    made = {clip: [{"caption": text}] for clip, text in enumerate(captions)}
    with redirect_stdout(io.StringIO()):  # the scorer prints its lengths
        split = tokenizer.tokenize(given), tokenizer.tokenize(made)
        found = {
            "BLEU-4": Bleu(4).compute_score(*split)[0][3],
            "METEOR": Meteor().compute_score(*split)[0],
            "ROUGE-L": Rouge().compute_score(*split)[0],
            "CIDEr-D": Cider().compute_score(*split)[0],
        }
    return {PREFIX + name: float(value) for name, value in found.items()}
