"""Assets of the search in the narration: an index of words, and vectors of meaning."""

from typing import Any

import dagster as dg

from assets.features.options import FeatureOptions
from assets.lake import Lake
from assets.metadata import ARRAY, NARRATION_MEANING, NARRATION_WORDS
from assets.search.narration import NarrationArray


@dg.asset(code_version="2", kinds={"lance"}, metadata={ARRAY: NARRATION_WORDS}, deps=["clips", "videos"])
def narration_words(
    lake: dg.ResourceParam[Lake],
    words_array: dg.ResourceParam[NarrationArray],
) -> dg.MaterializeResult:
    """The narration of all clips with a full-text index: stems, phrases, exclusion."""
    from assets.search.passages import write_words

    return _stored(words_array, {"passages": write_words(words_array, lake)})


@dg.asset(code_version="2", kinds={"pytorch", "lance"}, metadata={ARRAY: NARRATION_MEANING}, deps=["clips", "videos"])
def narration_meaning(
    lake: dg.ResourceParam[Lake],
    feature_options: dg.ResourceParam[FeatureOptions],
    meaning_array: dg.ResourceParam[NarrationArray],
) -> dg.MaterializeResult:
    """Sentence embeddings of the narration of all clips, by all-MiniLM-L6-v2."""
    from assets.search.passages import write_meaning
    from ml.text.sentence_encoder import DIM, packaged_encoder
    from ml.training import pick_device

    encoder = packaged_encoder(str(pick_device(feature_options.device)))
    counts = write_meaning(meaning_array, lake, encoder.encode, encoder.identity, DIM)
    return _stored(meaning_array, {"model": encoder.identity, **counts})


def _stored(array: NarrationArray, metadata: dict[str, Any]) -> dg.MaterializeResult:
    version = array.version()
    assert version is not None
    path = dg.MetadataValue.path(str(array.path))
    return dg.MaterializeResult(data_version=dg.DataVersion(version), metadata={**metadata, "path": path})
