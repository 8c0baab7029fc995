"""The site of the tests, which the tests of its source share."""

from tests.assets.sources.youtube.conftest import options, served, youtube

__all__ = ["options", "served", "youtube"]
