"""Who may use a run folder: one process at a time, and never at the cost of a user's files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from alref_agent.errors import ConfigError, OutputError
from alref_agent.media.atomic import PENDING_PREFIX, write_errors
from alref_agent.run import RESULT_NAME, Run
from alref_agent.workspace import STORE_NAME, Workspace

try:
    import fcntl
except ImportError:  # not on Windows; the store's own lock remains
    fcntl = None  # type: ignore[assignment]

OURS = (
    RESULT_NAME,
    "masks",
    "binary",
    "masks.json",
    "overlay.mp4",
    "report.html",
    "record",
    STORE_NAME,
)
"""All that a run makes in its folder; nothing else there is ever touched."""
REPLACED = ".replaced"
"""Where an earlier run waits until the run that replaces it has succeeded."""


class RunFolder:
    """A run folder that this process holds."""

    def __init__(self, path: Path, *, made: bool, fresh: bool) -> None:
        self.path = path
        self.fresh = fresh
        """Whether the run starts anew."""
        self._made = made

    def give_up(self) -> None:
        """Undo: what this run made goes, what it was to replace comes back."""
        _remove_ours(self.path)
        replaced = self.path / REPLACED
        with write_errors(self.path):
            if replaced.is_dir():
                for item in replaced.iterdir():
                    item.rename(self.path / item.name)
                replaced.rmdir()
        if self._made:
            with suppress(OSError):  # something of the user's is in it by now
                self.path.rmdir()

    def succeed(self) -> None:
        """The run is finished: what it replaced goes."""
        shutil.rmtree(self.path / REPLACED, ignore_errors=True)


@contextmanager
def hold_folder(
    folder: Path, source: Path, *, resume: bool, overwrite: bool
) -> Iterator[RunFolder]:
    """Hold a run folder, for this process alone.

    Args:
        folder: The run folder; made where it is missing.
        source: The video, which must not lie inside.
        resume: Go on with the run that is there.
        overwrite: Replace the run that is there.

    Raises:
        OutputError: Something is there and neither `resume` nor `overwrite` says what to do about
            it; it is no run folder; it cannot be made; another process holds it.
    """
    if resume and overwrite:
        raise OutputError(
            "--resume keeps what is there, --overwrite replaces it: give one of them."
        )
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file: give another folder.")
    inside = source.resolve()
    if folder.exists() and folder.resolve() in (inside, *inside.parents):
        raise OutputError(f"{folder} holds the video itself: give another folder.")
    made = _make(folder)
    with _locked(folder):
        try:
            fresh = made or _decide(folder, resume=resume, overwrite=overwrite)
        except OutputError:
            if made:
                folder.rmdir()
            raise
        _remove_pending(folder)
        yield RunFolder(folder, made=made, fresh=fresh)


def _decide(folder: Path, *, resume: bool, overwrite: bool) -> bool:
    """Whether the run starts anew in a folder that was there."""
    with write_errors(folder):
        there = any(folder.iterdir())
    ours = _is_run(folder)
    if resume:
        if ours:
            return False
        if not there:
            return True
        raise OutputError(f"{folder} holds no run to go on with: give another folder.")
    if overwrite:
        if there and not ours:
            raise OutputError(f"{folder} holds no run: it is not overwritten; give another folder.")
        _set_aside(folder)
        return True
    if not there:
        raise OutputError(f"{folder} exists: --overwrite uses it, it is empty; or give another.")
    if not ours:
        raise OutputError(f"{folder} exists, and is no run: give another folder.")
    what = "a finished run" if (folder / RESULT_NAME).exists() else "a run that was stopped"
    raise OutputError(
        f"{folder} holds {what}: --resume goes on with it, --overwrite replaces it (in Python, "
        "resume=True or overwrite=True); or give another folder."
    )


def _is_run(folder: Path) -> bool:
    """Names are not enough: a user may have a result.json too."""
    if Workspace.is_one(folder):
        return True
    try:
        Run.open(folder)
    except ConfigError:
        # What a process leaves that was killed while it made its store, and nothing else.
        names = {path.name for path in folder.iterdir()}
        return STORE_NAME in names and (folder / STORE_NAME).stat().st_size == 0 and len(names) == 1
    return True


def _set_aside(folder: Path) -> None:
    replaced = folder / REPLACED
    if replaced.is_dir():  # an overwriting run was stopped: only the one before it is whole
        _remove_ours(folder)
        return
    with write_errors(folder):
        replaced.mkdir()
        for name in OURS:
            if (folder / name).exists():
                (folder / name).rename(replaced / name)


def _remove_ours(folder: Path) -> None:
    with write_errors(folder):
        # What marks a run as finished goes first: half a run must not look like a whole one.
        for name in (*OURS, f"{STORE_NAME}-journal"):
            path = folder / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        _remove_pending(folder)


def _remove_pending(folder: Path) -> None:
    """Remove what killed processes were writing; nobody else writes here now."""
    for path in folder.glob(f"{PENDING_PREFIX}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _make(folder: Path) -> bool:
    """Make the folder; whether it was missing."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except FileExistsError as error:
        if not folder.is_dir():  # one of its parents is a file
            raise OutputError(f"{folder} cannot be made: {error.filename} is a file.") from error
        return False
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror}.") from error
    return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder itself: it leaves no file, and ends with the process."""
    if fcntl is None:
        yield
        return
    with write_errors(folder):
        handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"{folder} is in use by another process; wait for it to end."
            ) from error
        except OSError:  # a file system without locks; the store's own lock remains
            pass
        yield
    finally:
        os.close(handle)
