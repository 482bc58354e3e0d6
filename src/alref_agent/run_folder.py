"""When a run folder may be used, gone on with, or replaced."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from alref_agent.errors import OutputError
from alref_agent.run import RESULT_NAME
from alref_agent.workspace import STORE_NAME


def prepare_folder(folder: Path, *, resume: bool, overwrite: bool) -> bool:
    """Decide what to do about what is there; creates nothing.

    Returns:
        Whether the run starts anew.

    Raises:
        OutputError: Something is there and neither `resume` nor `overwrite` says what to do about
            it; it is no run folder; its place cannot be written.
    """
    if resume and overwrite:
        raise OutputError("--resume keeps what is there, --overwrite removes it: give one of them.")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise OutputError(f"{folder} is a file: give another --out.")
    if not folder.exists():
        _check_parent(folder)
        return True
    ours = (folder / STORE_NAME).exists() or (folder / RESULT_NAME).exists()
    empty = not any(folder.iterdir())
    if resume and ours and (folder / STORE_NAME).exists():
        return False
    if resume and empty:
        return True
    if overwrite:
        if not (ours or empty):
            raise OutputError(f"{folder} holds no run: it is not overwritten; give another --out.")
        remove_run(folder)
        return True
    if resume:
        raise OutputError(f"{folder} holds no run to go on with: give another --out.")
    state = "holds a finished run" if (folder / RESULT_NAME).exists() else "exists"
    hint = "--resume to go on with it, " if ours else ""
    raise OutputError(f"{folder} {state}: {hint}--overwrite to replace it, or another --out.")


def remove_run(folder: Path) -> None:
    """Remove a run folder.

    Raises:
        OutputError: It cannot be removed.
    """
    # What marks a run as finished goes first: half a run must not look like a whole one.
    try:
        (folder / RESULT_NAME).unlink(missing_ok=True)
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise OutputError(f"Cannot remove {folder}: {error.strerror}.") from error


def _check_parent(folder: Path) -> None:
    parent = folder.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise OutputError(f"{folder} cannot be made: {parent} is a file.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"{folder} cannot be made: {parent} is not writable.")
