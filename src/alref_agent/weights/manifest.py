"""What was pulled, written down so that it can be checked, and found again without a hub.

A file a pull, `ID/COMMIT.json` in the user's cache folder, written whole or not at all. The models
themselves lie where the hub's client keeps them (`HF_HOME`).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

import platformdirs
from huggingface_hub import constants
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alref_agent.errors import OutputError

_SHORTEST = 7
"""Digits of a commit that tell it from others."""


class _Content(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class PulledFile(_Content):
    """One file, as it was when it came."""

    size: int = Field(ge=0)
    sha256: str
    announced: bool
    """Whether the hub had said the same sha256."""


class Pull(_Content):
    """A model that was pulled."""

    format: Literal[1] = 1
    id: str
    """A hub id; of an original checkpoint the name of its file."""
    repository: str
    """The hub id."""
    commit: str
    asked: str | None
    """The revision that the user named; None: none."""
    pulled: str
    """When, ISO 8601."""
    files: dict[str, PulledFile]

    @property
    def called(self) -> str:
        """For people: the id, and which state of it."""
        return f"{self.id}@{self.commit[:_SHORTEST]}"

    @property
    def folder(self) -> Path:
        """Where its files should be; they may have been removed."""
        return snapshot(self.repository, self.commit)

    @property
    def whole(self) -> bool:
        """Whether every file is there, with its size; nothing is read."""
        return all(_size(self.folder / name) == file.size for name, file in self.files.items())

    def means(self, revision: str) -> bool:
        """Whether a revision names this commit, now and for ever."""
        return len(revision) >= _SHORTEST and self.commit.startswith(revision)

    def write(self) -> None:
        """Keep it.

        Raises:
            OutputError: The folder cannot be written; the disk is full.
        """
        path = _folder() / self.id.replace("/", "--") / f"{self.commit}.json"
        # A name of its own: two pulls of one model must not write into each other's file.
        beside = path.with_name(f".{secrets.token_hex(4)}.json")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(self.model_dump(), indent=1), encoding="utf-8")
            beside.replace(path)
        except OSError as error:
            with suppress(OSError):
                beside.unlink()
            reason = error.strerror or type(error).__name__
            raise OutputError(f"{path} cannot be written: {reason}.") from error


def pulls() -> list[Pull]:
    """Every pull that can be read, by id, the newest last."""
    return sorted(_read(_folder().glob("*/*.json")), key=lambda pull: (pull.id, pull.pulled))


def pull_of(model: str, revision: str | None) -> Pull | None:
    """The pull that a name stands for; None: none, or only one of another revision.

    Args:
        model: A hub id, or the name of an original checkpoint's file.
        revision: None: the one that was pulled without naming one, else the newest.
    """
    found = [pull for pull in pulls() if pull.id == model]
    if revision is not None:
        found = [pull for pull in found if pull.means(revision)]
    return max(found, key=lambda pull: (pull.asked is None, pull.pulled), default=None)


def snapshot(repository: str, commit: str) -> Path:
    """The folder where the hub's client keeps a state of a repository."""
    return storage(repository) / "snapshots" / commit


def storage(repository: str) -> Path:
    """The folder where the hub's client keeps all states of a repository."""
    return Path(constants.HF_HUB_CACHE) / "--".join(["models", *repository.split("/")])


def _folder() -> Path:
    return Path(platformdirs.user_cache_dir("alref-agent", appauthor=False)) / "models"


def _read(files: Iterator[Path]) -> Iterator[Pull]:
    for file in files:
        try:
            yield Pull.model_validate_json(file.read_bytes())
        except (OSError, ValidationError):  # damaged: it counts as not there
            continue


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return -1
