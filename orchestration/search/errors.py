"""Errors of the search page."""


class NotReadyError(Exception):
    """What is searched has not been made yet; the message says what to run."""


class UnavailableError(Exception):
    """Nothing can be searched now; the message says why. ``loading``: a later request will succeed."""

    def __init__(self, message: str, loading: bool) -> None:
        super().__init__(message)
        self.loading = loading
