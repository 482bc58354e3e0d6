"""Where a model lies on this machine; no hub is asked."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from alref_agent.errors import ModelError
from alref_agent.weights.catalogue import Published, catalogue, nearest
from alref_agent.weights.layout import CONFIG, is_weights
from alref_agent.weights.manifest import Pull, pull_of, storage
from alref_agent.weights.source import WEIGHTS, Source

_ORIGINALS = (".pt", ".pth")
_NO_REVISION = re.compile(r"^[/-]|\.\.|/$|//|[\s~^:?*\[\\]|[\0-\x1f\x7f\ud800-\udfff]")
"""What no name of a branch or tag has; a path would lead out of the folder of the hub's client."""


@dataclass(frozen=True)
class Name:
    """What the user wrote for a model, taken apart."""

    written: str
    id: str
    """A hub id, or the name of an original checkpoint's file; of a local one its path."""
    revision: str | None = None
    local: Path | None = None
    """The folder or file, where it is given by its path."""
    known: Published | None = None

    @property
    def repository(self) -> str:
        """The hub id under which its files are."""
        return self.known.place if self.known else self.id

    @property
    def wanted(self) -> str | None:
        """The revision that is meant; None: the newest."""
        return self.revision or (self.known.revision if self.known else None)

    @property
    def pull_command(self) -> str:
        """What gets it."""
        revision = f" --revision {self.revision}" if self.revision else ""
        return f"{WEIGHTS.pull} {self.id}{revision}"


@dataclass(frozen=True)
class Place:
    """Where a model is."""

    name: Name
    path: Path
    """Its folder; of an original checkpoint its file."""
    pull: Pull | None = None

    @property
    def called(self) -> str:
        """For people."""
        return self.pull.called if self.pull else self.name.written


def read_name(written: str) -> Name:
    """Take a name apart.

    Raises:
        ModelError: It is neither a hub id nor the name of a known file, nor a folder or file here.
    """
    model, _, revision = written.partition("@")
    known = catalogue().get(model)
    if known is None or known.file is None:
        path = Path(written)
        with suppress(RuntimeError):  # whose home `~name` is; below it is said
            path = path.expanduser()
        if path.suffix in _ORIGINALS and path.is_file():
            return Name(written, str(path), local=path.resolve())
        # A folder that is no model is told apart when it is looked at.
        if path.is_dir() and not (path / CONFIG).is_file():
            return Name(written, str(path), local=path.resolve())
        source = Source.parse(written, WEIGHTS)
        if source.local:
            return Name(written, written, local=Path(source.place))
    elif written.endswith("@"):
        raise ModelError(f"{written}: a revision should follow the @.")
    return Name(written, model, checked(revision, written) or None, known=known)


def checked(revision: str, written: str) -> str:
    """A revision, if it can be one.

    Raises:
        ModelError: It cannot; `written` is what the message calls the model.
    """
    if _NO_REVISION.search(revision):
        raise ModelError(f"{written}: {revision!r} is no revision: give a branch, tag or commit.")
    return revision


def find(written: str | Name) -> Place | None:
    """Where a model is; None where it is not on this machine.

    Raises:
        ModelError: See `read_name`.
    """
    name = read_name(written) if isinstance(written, str) else written
    if name.local is not None:
        return Place(name, name.local)
    pull = pull_of(name.id, name.revision)
    if pull is not None and pull.folder.is_dir():
        return Place(name, _within(name, pull.folder), pull)
    for folder in _snapshots(name):
        path = _within(name, folder)
        if path.is_file() or (path / CONFIG).is_file():
            return Place(name, path, pull_of(name.id, folder.name))
    return None


def not_here(name: Name) -> str:
    """One line for a model that is not on this machine."""
    return f"{name.written} is not on this machine: {name.pull_command}.{nearest(name.id)}"


def in_part(place: Place) -> str | None:
    """Which file of a place is missing, so far as that is known without reading any."""
    if place.pull is not None:
        for file in place.pull.files:
            if not (place.pull.folder / file).is_file():
                return file
        return None
    if place.path.is_file() or any(is_weights(file.name) for file in place.path.iterdir()):
        return None
    return "model.safetensors"


def _within(name: Name, folder: Path) -> Path:
    return folder / name.known.file if name.known and name.known.file else folder


def _snapshots(name: Name) -> list[Path]:
    """What the hub's client may keep a revision as, likeliest first."""
    at = storage(name.repository)
    found = []
    for revision in dict.fromkeys((name.wanted, name.revision or "main")):
        if revision is None:
            continue
        try:
            found.append(at / "snapshots" / (at / "refs" / revision).read_text("utf-8").strip())
        except (OSError, ValueError):  # none, or no text
            found.append(at / "snapshots" / revision)
    return found
