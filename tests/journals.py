"""Folders for the journals of tests, each empty; all are gone when the process ends."""

import tempfile
from functools import cache
from pathlib import Path


def journal_folder() -> Path:
    """Make a folder that no other journal is in."""
    return Path(tempfile.mkdtemp(dir=_all_of_this_process().name))


@cache
def _all_of_this_process() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="tollgate-journals-")
