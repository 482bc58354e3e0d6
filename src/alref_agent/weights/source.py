"""A model's name: a hub id, a folder or a file; and where it lies.

For keys and records, a hub model is called as it was given (`org/name@revision`), a local one by
the name of its folder or file and a fingerprint (`name@0123456789ab`): of `config.json`, and of
the names, sizes and times of the model's files. So a record has no path of the user's machine, two
folders of one name are two models, and so is a folder whose files were changed.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from alref_agent.errors import AlrefError, InputError, LlmError, ModelError
from alref_agent.weights.catalogue import pinned
from alref_agent.weights.manifest import Pull, pull_of, snapshot
from alref_agent.weights.trouble import CONFIG, explained, first_line

_MODEL_FILES = {".bin", ".gguf", ".jinja", ".json", ".model", ".safetensors", ".txt"}
PATIENCE = 10.0
"""Seconds that a hub has to say what it has."""


@dataclass(frozen=True)
class Use:
    """What a model is for: how it is called in messages, and what is raised."""

    prefix: str
    """What the user writes in front of its name."""
    error: type[InputError]
    example: str
    """A hub id."""
    pull: str
    """The command that gets a model; the id and what chooses its revision follow."""
    otherwise: str = ""
    """What else helps where no hub can be reached; empty or starting with `, or`."""
    takes_gguf: bool = False


LLM = Use("hf:", LlmError, "Qwen/Qwen3-VL-4B-Instruct", "hf download", takes_gguf=True)
WEIGHTS = Use(
    "",
    ModelError,
    "facebook/sam2.1-hiera-large",
    "alref-agent models pull",
    ", or take --profile offline, which needs no hub",
)


@dataclass(frozen=True)
class Source:
    """Where a model is loaded from."""

    name: str
    """For keys and records: `org/name@revision`, `folder@fingerprint`."""
    place: str
    """A hub id, or the absolute path of a folder."""
    use: Use
    revision: str | None = None
    """Of a hub id."""
    gguf: str | None = None
    """The file's name in `place`, where it is a GGUF file."""
    local: bool = True
    commit: str | None = None
    """Of a hub id, once it is found: the state of the repository that is loaded."""
    reached: bool = False
    """Whether the hub answered; if not, only what its cache has is looked for."""
    pull: Pull | None = None
    """Of a hub id that was pulled; then the hub was not asked."""

    @classmethod
    def parse(cls, model: str, use: Use) -> Source:
        """Read what the user gave, which may lie on this machine or on the hub.

        Raises:
            InputError: It is none of what is taken, or not there; of the class of `use`.
        """
        try:
            path = Path(model).expanduser()
            if _is_path(model) or path.exists():
                return _local(path, use)
        except OSError as error:
            raise use.error(f"{use.prefix}{model} cannot be read: {error.strerror}.") from error
        except RuntimeError as error:  # whose home `~name` is
            raise use.error(f"{use.prefix}{model} cannot be read: {first_line(error)}") from error
        place, at, revision = model.partition("@")
        try:
            validate_repo_id(place)
        except HFValidationError as error:
            hub_id = f"a hub id ({use.prefix}{use.example}, with @REVISION if you like)"
            folder = f"a folder ({use.prefix}./folder)"
            file = f" or a GGUF file ({use.prefix}/path/to/model.gguf)"
            give = f"{hub_id}, {folder}{file}" if use.takes_gguf else f"{hub_id} or {folder}"
            raise use.error(f"{use.prefix}{model}: give {give}.") from error
        if at and not revision:
            raise use.error(f"{use.prefix}{model}: a revision should follow the @.")
        return cls(model, place, use, revision or None, local=False)

    def found(self) -> Source:
        """The same with the commit of its repository; asks the hub, or its cache on this machine.

        What was pulled is taken as it was pulled, whatever the hub has by now.

        Raises:
            InputError: The hub does not have it, or cannot be reached; of the class of `use`.
        """
        if self.local:
            return self
        pull = pull_of(self.place, self.revision)
        if pull is not None and pull.whole:
            return replace(self, commit=pull.commit, pull=pull)
        try:
            reached = self._on_hub()
            file = hf_hub_download(
                self.place,
                CONFIG,
                # By its name, not by its commit, so that the cache keeps which one it meant.
                revision=self.wanted if reached else self.kept,
                local_files_only=not reached,
            )
        except Exception as error:
            raise self.explained(error) from error
        # The cache has a folder a commit. What is loaded later is of the same one, and is looked
        # up without asking the hub again.
        return replace(self, commit=Path(file).parent.name, reached=reached)

    def _on_hub(self) -> bool:
        """Whether the hub has it; False where it does not answer."""
        try:
            # Unlike the download of a file, this is not tried again and again.
            HfApi().model_info(self.place, revision=self.wanted, timeout=PATIENCE)
            return True
        except HfHubHTTPError as error:
            if error.response.status_code < 500:
                raise
        # What a client raises that reaches nobody depends on its version.
        except Exception:
            pass
        return False

    @property
    def wanted(self) -> str | None:
        """The revision that is loaded: as the user said, else the known one; None: the newest."""
        return self.revision or pinned(self.place)

    @property
    def kept(self) -> str | None:
        """The same where no hub is reached: if it is not here, what the hub last had as newest."""
        known = None if self.revision else self.wanted
        here = known is None or snapshot(self.place, known).exists()
        return self.wanted if here else None

    @property
    def called(self) -> str:
        """What messages call it: as the user wrote it."""
        return self.use.prefix + self.name

    @property
    def folder(self) -> Path | None:
        """Where its files are, of a folder or of what was pulled; None: the hub has them yet."""
        if self.local:
            return Path(self.place)
        return snapshot(self.place, self.pull.commit) if self.pull else None

    @property
    def again(self) -> str:
        """What to do where files of it are missing or broken."""
        if self.local:
            return "get the model again"
        revision = f" --revision {self.revision}" if self.revision else ""
        return f"get it again with `{self.use.pull} {self.place}{revision}`"

    @property
    def answers_as(self) -> str:
        """What a reply says that it comes from: the place, with the state that was loaded."""
        return f"{self.place}@{self.commit}" if self.commit else self.name

    @property
    def options(self) -> dict[str, Any]:
        """What every `from_pretrained` is given besides the place; code of strangers never runs."""
        options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": not self.reached}
        if self.gguf:
            options["gguf_file"] = self.gguf
        if not self.local:
            options["revision"] = self.commit or self.revision
        return options

    def explained(self, error: Exception) -> AlrefError:
        """Why loading failed, in one line that says what to do."""
        return explained(self, error)


def _is_path(model: str) -> bool:
    return (
        model.startswith((".", "~"))
        or Path(model).is_absolute()
        or model.lower().endswith((".gguf", os.sep))
    )


def _local(path: Path, use: Use) -> Source:
    path = path.resolve()
    if not path.exists():
        raise use.error(f"{use.prefix}{path}: there is no such file or folder.")
    if path.is_file():
        if not use.takes_gguf:
            raise use.error(f"{use.prefix}{path} is a file: give the folder of a model.")
        if path.suffix.lower() != ".gguf":
            raise use.error(f"{use.prefix}{path} is neither a folder nor a .gguf file.")
        return Source(_named(path, [path]), str(path.parent), use, gguf=path.name)
    if not (path / CONFIG).is_file():
        inside = sorted(file.name for file in path.glob("*.gguf"))
        gguf = inside and use.takes_gguf
        hint = f" For the GGUF file in it: {use.prefix}{path / inside[0]}" if gguf else ""
        raise use.error(f"{use.prefix}{path} is no model: it has no {CONFIG}.{hint}")
    files = sorted(
        file for file in path.iterdir() if file.suffix in _MODEL_FILES and file.is_file()
    )
    return Source(_named(path, sorted(files)), str(path), use)


def _named(path: Path, files: list[Path]) -> str:
    """The name of a local model: reading gigabytes to tell it from others would take too long."""
    digest = hashlib.sha256()
    for file in files:
        about = file.stat()
        digest.update(f"{file.name}\0{about.st_size}\0{about.st_mtime_ns}\0".encode())
        if file.name == CONFIG:
            digest.update(file.read_bytes())
    return f"{path.name}@{digest.hexdigest()[:12]}"
