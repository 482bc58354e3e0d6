"""A finished run: its result and its masks, read from its folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import ValidationError

from alref_agent.errors import ConfigError
from alref_agent.record import SCHEMA_VERSION, ObjectRecord, RunResult

if TYPE_CHECKING:
    from alref_agent.types import Mask

RESULT_NAME = "result.json"


class Run:
    """A run folder whose `result.json` is there."""

    def __init__(self, folder: Path, result: RunResult) -> None:
        self.folder = folder
        self.result = result

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Open a finished run.

        Raises:
            ConfigError: The folder holds no finished run.
        """
        return cls(Path(folder), cls.read(Path(folder) / RESULT_NAME))

    @classmethod
    def write(cls, folder: Path, result: RunResult) -> Self:
        """Write `result.json`, which makes the run a finished one."""
        from alref_agent.media.atomic import whole_file

        with whole_file(folder / RESULT_NAME) as path:
            # Calls are there in short; in full they are in the record.
            short = {"calls": {"__all__": {"arguments", "result"}}}
            text = result.model_dump_json(indent=2, exclude=short)
            path.write_text(text + "\n", encoding="utf-8")
        return cls(folder, result)

    @staticmethod
    def read(file: Path) -> RunResult:
        """Read a `result.json`.

        Raises:
            ConfigError: It is not there, or is none, or of a newer version.
        """
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"Cannot read {file}: there is no finished run.") from error
        try:
            _check_version(text, file)
            result = RunResult.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            # What is no JSON at all has no place.
            said = ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
            raise ConfigError(f"{file} is no result of a run: {said}.") from error
        return result

    @property
    def objects(self) -> list[ObjectRecord]:
        """The answer for every object."""
        return self.result.objects

    def masks(self) -> Iterator[dict[int, Mask]]:
        """For every frame in order: `obj_id` -> `(H, W)` bool, of the objects that are on it.

        Masks are whole: where objects overlap, both have the pixel.

        Raises:
            VideoError: `masks.json` is gone or broken.
        """
        from alref_agent.media.coco import read_masks

        yield from read_masks(self.folder / "masks.json")

    @property
    def whole(self) -> bool:
        """Whether all files that the result names are there."""
        return all((self.folder / file).exists() for file in self.result.files.values())

    def __repr__(self) -> str:
        found = sum(record.status == "found" for record in self.objects)
        return f"Run({str(self.folder)!r}, {found} of {len(self.objects)} objects found)"


def _check_version(text: str, file: Path) -> None:
    """Say that a version is another one before saying which of its fields is unknown."""
    try:
        version = json.loads(text)["schema_version"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ConfigError(f"{file} is no result of a run.") from error
    if version != SCHEMA_VERSION:
        raise ConfigError(
            f"{file} has the format {version}, this version reads {SCHEMA_VERSION}: "
            "use the version of alref-agent that wrote it."
        )
