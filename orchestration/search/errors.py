"""Errors of the search page."""


class NotReadyError(Exception):
    """What is searched has not been made yet; the message says what to run."""
