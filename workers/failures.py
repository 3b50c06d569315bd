"""What a worker of this project says when it cannot do its work: a code for `on_error`, a sentence for people."""

from __future__ import annotations


class Refused(Exception):
    """The worker cannot do what it was asked.

    Args:
        code: what `on_error: [{if: error.code == "folder_missing"}]` tests.
        message: what is wrong, where, and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
