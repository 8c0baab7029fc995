"""A generated how-to world behind the protocol of a video source: no network, any size, the truth known."""

from assets.sources.synthetic.ground_truth import steps_frame
from assets.sources.synthetic.source import SyntheticSource

__all__ = ["SyntheticSource", "steps_frame"]
