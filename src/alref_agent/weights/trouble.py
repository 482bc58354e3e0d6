"""Why a model cannot be had or loaded, in one line that says what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING

from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from alref_agent.errors import AlrefError, MissingPackageError
from alref_agent.weights.catalogue import nearest

if TYPE_CHECKING:
    from alref_agent.weights.source import Source

CONFIG = "config.json"
_LONGEST = 200
"""Characters of a message that comes from elsewhere."""


def explained(source: Source, error: Exception) -> AlrefError:
    """Why loading failed, in one line that says what to do."""
    said = first_line(error)
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            return source.use.error(
                f"{source.called}: the disk is full; see `hf cache` and HF_HOME."
            )
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            return MissingPackageError(
                f"{source.called} needs the package {cause.name!r}, which is not installed: "
                f"pip install {cause.name}"
            )
        if not source.local and (line := _from_hub(source, cause)):
            return source.use.error(line)
    if "trust_remote_code" in str(error) or "custom code" in said:
        return source.use.error(
            f"{source.called} comes with code of its own, which is never run here: take a model "
            "of a kind that transformers knows."
        )
    if "does not recognize this architecture" in said:
        return source.use.error(
            f"{source.called} is of a kind that this version of transformers does not know: "
            "pip install --upgrade transformers, or take another model."
        )
    if "ignore_mismatched_sizes" in said:
        return source.use.error(
            f"{source.called}: its weights do not have the shapes that its {CONFIG} says: "
            f"{source.again}."
        )
    if type(error).__name__ == "SafetensorError":
        return source.use.error(
            f"{source.called} cannot be loaded: its weights are cut short or damaged ({said}): "
            f"{source.again}."
        )
    if isinstance(error, ImportError) and "timm" in said:
        return without_timm(source)
    if isinstance(error, ImportError) and "torchvision" in said.lower():
        return without_torchvision(source)
    if isinstance(error, ImportError):
        return MissingPackageError(f"{source.called} needs a package that is missing: {said}")
    if source.commit and not source.reached and not source.pull:
        return source.use.error(
            f"{source.called} may be on this machine only in part ({said}), {_unreached(source)}"
        )
    if any(words in said for words in ("does not appear to have", "no file named", "Can't load")):
        return source.use.error(
            f"{source.called} lacks files of a model in transformers' format (config.json, "
            "model.safetensors; for a detector preprocessor_config.json, tokenizer.json): "
            + said.replace(source.place, source.name)
        )
    return source.use.error(f"{source.called} cannot be loaded: {type(error).__name__}: {said}")


def without_torchvision(source: Source) -> MissingPackageError:
    """What is said where a model's processor has no part that works without."""
    return MissingPackageError(
        f"{source.called} works only with torchvision, in the build that fits your torch: see "
        "https://pytorch.org/get-started/locally/, or take another model."
    )


def without_timm(source: Source) -> MissingPackageError:
    """What is said where a model has an image encoder of timm, which needs torchvision."""
    return MissingPackageError(
        f"{source.called} needs the package timm, and that torchvision, in the build that fits "
        "your torch: see https://pytorch.org/get-started/locally/, then pip install timm; or "
        "take another model."
    )


def _from_hub(source: Source, cause: BaseException) -> str | None:
    page = f"{constants.ENDPOINT}/{source.place}"
    if isinstance(cause, GatedRepoError):
        return (
            f"{source.called} is gated: accept its conditions at {page}, then log in with "
            "`hf auth login` or set HF_TOKEN."
        )
    if isinstance(cause, RevisionNotFoundError):
        newest = "" if source.revision else f", {source.place}@main is the newest"
        wanted = f"{source.place} has no revision {source.wanted!r}"
        return f"{source.called}: {wanted}; see {page}{newest}."
    if isinstance(cause, RepositoryNotFoundError):
        return (
            f"{source.called}: the hub has no model {source.place!r}; for a private one, log in "
            "with `hf auth login`; for a folder, give its path (./folder)."
        ) + nearest(source.place)
    if isinstance(cause, (LocalEntryNotFoundError, OfflineModeIsEnabled)) and not source.pull:
        return f"{source.called} is not on this machine, {_unreached(source)}"
    if isinstance(cause, EntryNotFoundError):
        return (
            f"{source.called} is no model in transformers' format: {page} has no {CONFIG}. "
            "Of a repository of GGUF files, download one and give its path."
        )
    if isinstance(cause, HfHubHTTPError):
        return f"{source.called}: the hub refused: {first_line(cause)}"
    return None


def _unreached(source: Source) -> str:
    offline = constants.HF_HUB_OFFLINE
    why = "HF_HUB_OFFLINE is set" if offline else f"{constants.ENDPOINT} does not answer"
    revision = f" --revision {source.revision}" if source.revision else ""
    first = "unset HF_HUB_OFFLINE, and " if offline else ""
    return (
        f"and {why}: {first}get it with `{source.use.pull} {source.place}{revision}`, or give a "
        f"folder ({source.use.prefix}/path/to/folder){source.use.otherwise}."
    )


def first_line(error: BaseException) -> str:
    """The first line of what an error says, cut to a length that can be read."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = lines[0] if lines else type(error).__name__
    if line.endswith(":") and len(lines) > 1:
        line += " " + lines[1]
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what led to it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
