"""A model's name: a hub id, a folder or a file; where it lies, and why it cannot be had.

For keys and records, a hub model is called as it was given (`org/name@revision`), a local one by
the name of its folder or file and a fingerprint (`name@0123456789ab`): of `config.json`, and of
the names, sizes and times of the model's files. So a record has no path of the user's machine, two
folders of one name are two models, and so is a folder whose files were changed.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from alref_agent.errors import AlrefError, InputError, LlmError, MissingPackageError, ModelError
from alref_agent.weights.catalogue import nearest, pinned
from alref_agent.weights.manifest import Pull, pull_of, snapshot

CONFIG = "config.json"
_MODEL_FILES = {".bin", ".gguf", ".jinja", ".json", ".model", ".safetensors", ".txt"}
PATIENCE = 10.0
"""Seconds that a hub has to say what it has."""
_LONGEST = 200
"""Characters of a message that comes from elsewhere."""


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
        said = first_line(error)
        for cause in causes(error):
            if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
                return self.use.error(
                    f"{self.called}: the disk is full; see `hf cache` and HF_HOME."
                )
            if isinstance(cause, ModuleNotFoundError) and cause.name:
                return MissingPackageError(
                    f"{self.called} needs the package {cause.name!r}, which is not installed: "
                    f"pip install {cause.name}"
                )
            if not self.local and (line := self._from_hub(cause)):
                return self.use.error(line)
        if "trust_remote_code" in str(error) or "custom code" in said:
            return self.use.error(
                f"{self.called} comes with code of its own, which is never run here: take a model "
                "of a kind that transformers knows."
            )
        if "does not recognize this architecture" in said:
            return self.use.error(
                f"{self.called} is of a kind that this version of transformers does not know: "
                "pip install --upgrade transformers, or take another model."
            )
        if "ignore_mismatched_sizes" in said:
            return self.use.error(
                f"{self.called}: its weights do not have the shapes that its {CONFIG} says: get "
                "the model again."
            )
        if isinstance(error, ImportError) and "timm" in said:
            return self.without_timm()
        if isinstance(error, ImportError) and "torchvision" in said.lower():
            return self.without_torchvision()
        if isinstance(error, ImportError):
            return MissingPackageError(f"{self.called} needs a package that is missing: {said}")
        if self.commit and not self.reached and not self.pull:
            return self.use.error(
                f"{self.called} may be on this machine only in part ({said}), {self._unreached()}"
            )
        if "does not appear to have" in said or "no file named" in said:
            return self.use.error(
                f"{self.called} lacks files of a model in transformers' format (config.json, "
                f"model.safetensors, tokenizer.json): {said}"
            )
        return self.use.error(f"{self.called} cannot be loaded: {type(error).__name__}: {said}")

    def without_torchvision(self) -> MissingPackageError:
        """What is said where a model's processor has no part that works without."""
        return MissingPackageError(
            f"{self.called} works only with torchvision, in the build that fits your torch: see "
            "https://pytorch.org/get-started/locally/, or take another model."
        )

    def without_timm(self) -> MissingPackageError:
        """What is said where a model has an image encoder of timm, which needs torchvision."""
        return MissingPackageError(
            f"{self.called} needs the package timm, and that torchvision, in the build that fits "
            "your torch: see https://pytorch.org/get-started/locally/, then pip install timm; or "
            "take another model."
        )

    def _from_hub(self, cause: BaseException) -> str | None:
        page = f"{constants.ENDPOINT}/{self.place}"
        if isinstance(cause, GatedRepoError):
            return (
                f"{self.called} is gated: accept its conditions at {page}, then log in with "
                "`hf auth login` or set HF_TOKEN."
            )
        if isinstance(cause, RevisionNotFoundError):
            newest = "" if self.revision else f", {self.place}@main is the newest"
            return (
                f"{self.called}: {self.place} has no revision {self.wanted!r}; see {page}{newest}."
            )
        if isinstance(cause, RepositoryNotFoundError):
            return (
                f"{self.called}: the hub has no model {self.place!r}; for a private one, log in "
                "with `hf auth login`; for a folder, give its path (./folder)."
            ) + nearest(self.place)
        if isinstance(cause, (LocalEntryNotFoundError, OfflineModeIsEnabled)) and not self.pull:
            return f"{self.called} is not on this machine, {self._unreached()}"
        if isinstance(cause, EntryNotFoundError):
            return (
                f"{self.called} is no model in transformers' format: {page} has no {CONFIG}. "
                "Of a repository of GGUF files, download one and give its path."
            )
        if isinstance(cause, HfHubHTTPError):
            return f"{self.called}: the hub refused: {first_line(cause)}"
        return None

    def _unreached(self) -> str:
        offline = constants.HF_HUB_OFFLINE
        why = "HF_HUB_OFFLINE is set" if offline else f"{constants.ENDPOINT} does not answer"
        revision = f" --revision {self.revision}" if self.revision else ""
        first = "unset HF_HUB_OFFLINE, and " if offline else ""
        return (
            f"and {why}: {first}get it with `{self.use.pull} {self.place}{revision}`, or give a "
            f"folder ({self.use.prefix}/path/to/folder){self.use.otherwise}."
        )


def first_line(error: BaseException) -> str:
    """The first line of what an error says, cut to a length that can be read."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = lines[0] if lines else type(error).__name__
    if line.endswith(":") and len(lines) > 1:
        line += " " + lines[1]
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


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


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what led to it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
