"""Files appear whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from alref_agent.errors import OutputError

PENDING_PREFIX = ".alref-"
"""Of the names of what is being written; what is left of it by a killed process can be removed."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write beside, then rename, in one short block.

    Args:
        path: The file to appear; its folder is made where it is missing.

    Yields:
        A path in the same folder, with the same suffix, to be written and closed within the block.
        Leaving the block normally renames it to `path`; leaving it by an exception removes it, and
        what was at `path` before stays.

    Raises:
        OutputError: Any `OSError` of the block: no space, no permission, …
    """
    pending = PendingFile(path)
    try:
        with write_errors(path):
            yield pending.beside
        pending.keep()
    finally:
        # Once it is kept there is nothing to drop.
        pending.drop()


class PendingFile:
    """A file being written for a long time, while other things go on that may fail."""

    def __init__(self, path: Path) -> None:
        """Choose a name beside `path`; its folder is made where it is missing.

        Raises:
            OutputError: The folder cannot be made.
        """
        self.path = path
        # A name of its own: two runs into one folder must not write into each other's file.
        self.beside = path.with_name(f"{PENDING_PREFIX}{secrets.token_hex(4)}{path.suffix}")
        """Where to write."""
        with write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)

    def keep(self) -> None:
        """Rename it to its name; raises `OutputError`."""
        with write_errors(self.path):
            self.beside.replace(self.path)

    def drop(self) -> None:
        """Remove it."""
        # The error that leads here says more than one about the removal would.
        with suppress(OSError):
            self.beside.unlink(missing_ok=True)


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the block into an `OutputError` that names `path` and the reason."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise OutputError(f"{path} cannot be written: {reason}.") from error
