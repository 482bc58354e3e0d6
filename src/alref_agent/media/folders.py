"""Folders that appear whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alref_agent.media.atomic import PENDING_PREFIX, write_errors


def make_folder(folder: Path) -> None:
    """Make a folder and its parents where they are missing.

    Raises:
        OutputError: It cannot be made.
    """
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Fill a folder beside, then rename it; what was there before is replaced.

    Yields:
        The folder to write into. It is removed where the block is left by an exception, and what a
        killed process left of it is removed first.

    Raises:
        OutputError: It cannot be made or renamed.
    """
    beside = folder.with_name(f"{PENDING_PREFIX}{folder.name}")
    with write_errors(folder):
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
    try:
        yield beside
        with write_errors(folder):
            if folder.exists():
                shutil.rmtree(folder)
            beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
