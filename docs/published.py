"""The table of published layouts, from the differences that ``python -m tests.published_layouts`` leaves.

The rest of the page is written by hand.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

PAGE, RESULTS = (Path(__file__).with_name(f"published.{suffix}") for suffix in ("md", "json"))
_TABLE = re.compile(r"(<!-- layouts: .*? -->\n).*?(\n<!-- end of layouts -->)", re.DOTALL)


class Row(NamedTuple):
    """A checkpoint or tower: its check in ``tests/published_layouts.py``, what is read from it, and its command."""

    check: str
    name: str
    read: str
    command: str


_HERO, _SLOWFAST = "howto convert hero", "HOWTO_WEIGHTS=slowfast_r50=FILE"
_S3D, _OPEN_CLIP = "howto evaluate s3d", "howto evaluate open_clip:FOLDER"
LAYOUTS = (
    Row("howto100m", "`howto100m_pt_model.pth`", "joint embedding", "howto convert joint_embedding"),
    Row("s3d", "`s3d_howto100m.pth`", "S3D, `fc`, text tower; 2x2x2 neighbours as channels", _S3D),
    Row("s3d_pixels", "checkpoint of MIL-NCE_HowTo100M", "the same; first convolution over pixels", _S3D),
    Row("resnext101", "`resnext101.pth`", "feature network", "HOWTO_WEIGHTS=resnext101_3d=FILE"),
    Row("slowfast", "SlowFast 8x8 R50, PySlowFast", "feature network", _SLOWFAST),
    Row("slowfast_caffe2", "SlowFast 8x8 R50, Caffe2", "feature network", _SLOWFAST),
    Row("hero_pretraining", "HERO: pre-training, TVR, How2R, DiDeMo, MSR-VTT", "model and retrieval", _HERO),
    Row("hero_question_answering", "HERO: TVQA, How2QA", "model and answer head", _HERO),
    Row("hero_video_entailment", "HERO: VIOLIN", "model and statement head", _HERO),
    Row("hero_captioning", "HERO: TVC", "model and decoder", _HERO),
    Row("clip", "open_clip `ViT-B-32`", "both towers", _OPEN_CLIP),
    Row("pe_core", "open_clip `PE-Core-T-16-384`", "both towers; squashed pictures", _OPEN_CLIP),
    Row("siglip2", "open_clip `ViT-B-16-SigLIP2`", "both towers; tokenizer of the folder", _OPEN_CLIP),
    Row("mobileclip", "open_clip `MobileCLIP2-S0`", "both towers", _OPEN_CLIP),
)


def published() -> str:
    """The page with the current table."""
    found: dict[str, float] = json.loads(RESULTS.read_text(encoding="utf-8"))
    lines = ["", "| file or model | what is read | largest difference | command |", "|---|---|---:|---|"]
    lines += [f"| {row.name} | {row.read} | {_shown(found[row.check])} | `{row.command}` |" for row in LAYOUTS]
    table = "\n".join([*lines, ""])
    return _TABLE.sub(lambda marks: marks[1] + table + marks[2], PAGE.read_text(encoding="utf-8"))


def _shown(difference: float) -> str:
    return f"{difference:.0e}" if difference else "0"
