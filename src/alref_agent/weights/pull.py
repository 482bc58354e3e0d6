"""Getting a model from a hub: the files that are needed, each compared with what was announced."""

from __future__ import annotations

import errno
import glob
import hashlib
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from logging import CRITICAL
from pathlib import Path

from huggingface_hub import HfApi, constants, get_token, snapshot_download
from huggingface_hub import logging as hub_logging
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import (  # type: ignore[attr-defined]
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)

from alref_agent.errors import ModelError
from alref_agent.weights.catalogue import catalogue
from alref_agent.weights.layout import CONFIG, needed
from alref_agent.weights.manifest import Pull, PulledFile, snapshot
from alref_agent.weights.source import PATIENCE, WEIGHTS, Source
from alref_agent.weights.trouble import causes, first_line
from alref_agent.weights.whereabouts import Name, checked, read_name

_ROOM = 64 << 20
"""Bytes of a disk that are left free."""
_SHOWN = 12
"""Digits of a sha256 in messages."""


@dataclass(frozen=True)
class _Announced:
    commit: str
    files: dict[str, tuple[int | None, str | None]]
    """Name -> bytes and sha256, as far as the hub says them."""


def pull(
    written: str, revision: str | None = None, free: Callable[[Path], int] | None = None
) -> Pull:
    """Get a model, compare what came with what was announced, and write it down.

    What is there already is not fetched again, unless it is not what it should be.

    Args:
        written: A hub id (with `@revision`), or the name of an original checkpoint's file.
        revision: Of the hub's repository; None: the known one, else the newest.
        free: How many bytes are free where a folder is; None: asks the system.

    Raises:
        ModelError: It cannot be had, or is not what was announced.
        OutputError: It cannot be written down.
    """
    name = _pullable(written, revision)
    source = Source(written, name.repository, WEIGHTS, name.wanted, local=False)
    if constants.HF_HUB_OFFLINE:
        raise ModelError(f"{written}: HF_HUB_OFFLINE is set: unset it to pull.")
    try:
        with _quiet():
            announced = _announced(source)
            names = _chosen(name, announced)
            _check_room(name, announced, names, free or _free)
            files = _fetched(name, announced, names)
    except ModelError as error:
        raise ModelError(_blotted(str(error))) from None
    except Exception as error:
        raise ModelError(_blotted(_explained(source, error))) from error
    now = datetime.now(UTC).isoformat(timespec="seconds")
    done = Pull(
        id=name.id,
        repository=name.repository,
        commit=announced.commit,
        asked=name.revision,
        pulled=now,
        files=files,
    )
    done.write()
    return done


def sha256(file: Path) -> str:
    """Of a file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _pullable(written: str, revision: str | None) -> Name:
    name = read_name(written)
    if name.local is not None:
        raise ModelError(f"{written} is on this machine: `alref-agent models check {written}`.")
    if revision is None:
        return name
    if name.revision not in (None, revision):
        raise ModelError(f"{written}: --revision {revision} says another revision.")
    return Name(written, name.id, checked(revision, written), known=name.known)


def _announced(source: Source) -> _Announced:
    info = HfApi().model_info(
        source.place, revision=source.revision, files_metadata=True, timeout=PATIENCE
    )
    if info.sha is None:
        raise ModelError(f"{source.called}: {constants.ENDPOINT} does not say which state it has.")
    files = {
        file.rfilename: (file.size, file.lfs.sha256 if file.lfs else None)
        for file in info.siblings or ()
    }
    return _Announced(info.sha, files)


def _chosen(name: Name, announced: _Announced) -> list[str]:
    there = announced.files
    page = f"{constants.ENDPOINT}/{name.repository}"
    if name.known and name.known.file:
        if name.known.file not in there:
            raise ModelError(f"{name.written}: {page} has no file {name.known.file}.")
        return [name.known.file]
    names = needed(there)
    if CONFIG in there and names:
        return names
    lacks = "weights (model.safetensors)" if CONFIG in there else CONFIG
    original = [known.id for known in catalogue().values() if known.repository == name.id]
    hint = f" Its original: {WEIGHTS.pull} {original[0]}" if original else ""
    raise ModelError(
        f"{name.written} is no model in transformers' format: {page} has no {lacks}.{hint}"
    )


def _check_room(
    name: Name, announced: _Announced, names: list[str], free: Callable[[Path], int]
) -> None:
    folder = snapshot(name.repository, announced.commit)
    missing = sum(announced.files[file][0] or 0 for file in names if not (folder / file).exists())
    cache = Path(constants.HF_HUB_CACHE)
    there = next(path for path in (cache, *cache.parents) if path.exists())
    room = free(there)
    if missing and missing + _ROOM > room:
        raise ModelError(
            f"{name.written}: {missing / 1e6:,.0f} MB are to come and {room / 1e6:,.0f} MB are "
            f"free in {there}: make room (`hf cache` helps), or set HF_HOME to a folder elsewhere."
        )


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _fetched(name: Name, announced: _Announced, names: list[str]) -> dict[str, PulledFile]:
    """Download, and compare; what was there and is damaged is fetched once more."""
    folder = snapshot(name.repository, announced.commit)
    while True:
        old = {file for file in names if (folder / file).exists()}
        got = snapshot_download(
            name.repository,
            # By its name, so that the client keeps which state it meant.
            revision=name.wanted,
            allow_patterns=[glob.escape(file) for file in names],
        )
        if Path(got).name != announced.commit:
            raise ModelError(f"{name.written} was changed on the hub meanwhile: pull it again.")
        files, wrong = _compared(name, announced, names, folder)
        for file in wrong:
            _remove(folder / file)
        if not wrong:
            return files
        if not old & set(wrong):
            file, said = next(iter(wrong.items()))
            raise ModelError(
                f"{name.written}: {file} is not what it should be ({said}) and was removed: pull "
                f"again; if it comes like this again, do not trust {constants.ENDPOINT}."
            )


def _compared(
    name: Name, announced: _Announced, names: list[str], folder: Path
) -> tuple[dict[str, PulledFile], dict[str, str]]:
    """What came, and of the files that are not as they should be: how they differ."""
    # Only for the state of the repository that the catalogue speaks of.
    known = name.known.sha256 if name.known and name.wanted == name.known.revision else {}
    files, wrong = {}, {}
    for file in names:
        size, should = announced.files[file]
        there = (folder / file).stat().st_size
        digest = sha256(folder / file)
        if size is not None and there != size:
            wrong[file] = f"{there:,} bytes instead of {size:,}"
        elif should is not None and digest != should:
            wrong[file] = f"sha256 {digest[:_SHOWN]}… instead of {should[:_SHOWN]}…"
        elif digest != known.get(file, digest):
            wrong[file] = f"sha256 {digest[:_SHOWN]}…, but known is {known[file][:_SHOWN]}…"
        files[file] = PulledFile(size=there, sha256=digest, announced=should is not None)
    return files, wrong


def _remove(file: Path) -> None:
    """Remove a file of the client's cache with its content, which other names may share."""
    content = file.resolve()
    file.unlink(missing_ok=True)
    content.unlink(missing_ok=True)


def _explained(source: Source, error: Exception) -> str:
    for cause in causes(error):
        if not isinstance(cause, Exception):
            continue
        refused = isinstance(cause, HfHubHTTPError) and cause.response.status_code < 500
        known = (GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError)
        if refused or isinstance(cause, known):
            return str(source.explained(cause))
        if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            return str(source.explained(cause))
        if isinstance(cause, OSError) and cause.errno and cause.filename:
            return f"{source.called}: {cause.filename} cannot be written: {cause.strerror}."
    return (
        f"{source.called}: {constants.ENDPOINT} does not answer, or broke off "
        f"({first_line(error)}): try again, which goes on with the files that came; or use a "
        "copy that you have (--set segmenter.model=/path/to/it)."
    )


def _blotted(text: str) -> str:
    """The text without the user's token, which a hub could send back."""
    token = get_token()
    return text.replace(token, "…") if token else text


@contextmanager
def _quiet() -> Iterator[None]:
    """Bars on a terminal only; the client's warnings are errors here where they matter."""
    said, bars = hub_logging.get_verbosity(), not are_progress_bars_disabled()
    hub_logging.set_verbosity(CRITICAL)
    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        yield
    finally:
        hub_logging.set_verbosity(said)
        if bars:
            enable_progress_bars()
