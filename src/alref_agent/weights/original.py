"""The first publishers' own checkpoints, and the packages that are their code.

These files are pickles, which can hold code: they are read as numbers and nothing else
(`weights_only` of torch). The packages are not in an extra of ours, as by themselves they would
bring a torch and a cv2 that do not fit.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from alref_agent.errors import MissingPackageError, ModelError
from alref_agent.weights.devices import out_of_memory
from alref_agent.weights.trouble import first_line
from alref_agent.weights.whereabouts import find, not_here, read_name


@dataclass(frozen=True)
class Taker:
    """A backend that runs original checkpoints."""

    name: str
    """In the settings: `sam2-official`."""
    section: str
    """Of the settings: `segmenter`."""
    title: str
    """For messages: `SAM 2`."""
    example: str
    """A checkpoint that can be pulled."""
    instead: str
    """The backend for the same models in transformers' format."""
    modules: tuple[str, ...]
    """What must be there to be imported, in the order in which one would install it."""
    commands: str
    """What installs them."""

    def check_packages(self) -> None:
        """Refuse to go on where a package is missing; imports none.

        Raises:
            MissingPackageError: One is.
        """
        for module in self.modules:
            spec = find_spec(module)
            # A folder that happens to be called so, as a clone of the code, is no package.
            if spec is None or spec.origin is None:
                raise MissingPackageError(
                    f"The {self.section} {self.name} needs the package {module!r}, which is not "
                    f"installed: {self.commands} (docs/models.md, The original packages)"
                )

    @property
    def get(self) -> str:
        """What to do where there is no checkpoint."""
        return (
            f"`alref-agent models pull {self.example}`, then --set "
            f"{self.section}.model={self.example}, or give the path of such a file"
        )


@dataclass(frozen=True)
class Original:
    """A checkpoint that was found."""

    path: Path
    called: str
    """In messages: as the user wrote it."""
    answers_as: str
    """For records: the file's name, and its commit or a fingerprint; no path of this machine."""


def find_original(model: str | None, taker: Taker) -> Original:
    """Where a checkpoint lies; it is not read.

    Args:
        model: The path of a file, or the name of one that was pulled.
        taker: Who takes it.

    Raises:
        ModelError: There is none.
    """
    if model is None:
        raise ModelError(
            f"{taker.name} needs an original checkpoint of {taker.title}: {taker.get}."
        )
    path = _path(model)
    if path.is_file():
        return Original(path, model, _fingerprint(path))
    if path.suffix in (".pt", ".pth") and path.name != model:
        raise ModelError(f"{model}: there is no such file: {taker.get}.")
    if path.is_dir():
        raise ModelError(_wrong_format(model, taker))
    name = read_name(model)
    if name.known is None or name.known.file is None:
        raise ModelError(_wrong_format(model, taker))
    if name.known.backend != taker.name:
        raise ModelError(f"{model} is a checkpoint for {name.known.backend}: {taker.get}.")
    place = find(name)
    if place is None or not place.path.is_file():
        raise ModelError(not_here(name))
    commit = place.pull.commit if place.pull else place.path.parent.name
    return Original(place.path, model, f"{name.id}@{commit}")


def read_tensors(original: Original, taker: Taker) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint, by their names.

    Raises:
        ModelError: It is none, is damaged, or holds more than numbers.
    """
    try:
        content = torch.load(original.path, map_location="cpu", weights_only=True)
    # What is broken shows as an exception of any class.
    except Exception as error:
        if out_of_memory(error):
            raise
        if isinstance(error, pickle.UnpicklingError):
            said = "it is damaged, or holds more than numbers, which is never loaded"
        else:
            said = f"{type(error).__name__}: {first_line(error)}"
        raise ModelError(
            f"{original.called} cannot be read as a checkpoint of {taker.title} ({said}): "
            f"{taker.get}."
        ) from error
    weights = content.get("model") if isinstance(content, Mapping) else None
    if not isinstance(weights, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor)
        for name, tensor in weights.items()
    ):
        raise ModelError(
            f"{original.called} is no original checkpoint of {taker.title}: it has no weights "
            f"under 'model': {taker.get}."
        )
    return {name.removeprefix("module."): tensor for name, tensor in weights.items()}


def fill(
    model: Any, original: Original, taker: Taker, config: str, spare: Collection[str] = ()
) -> None:
    """Put the weights of a checkpoint into a network, all of them and in every place.

    Args:
        model: The network.
        original: The checkpoint.
        taker: Who takes it.
        config: By which the network was built.
        spare: Names of weights that files have and the network does not use.

    Raises:
        ModelError: The checkpoint is not one of this network.
    """
    tensors = read_tensors(original, taker)
    weights = {name: tensor for name, tensor in tensors.items() if name not in spare}
    hint = f"take the config that it was trained with (--set {taker.section}.options.config=…)"
    try:
        report = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        if out_of_memory(error):
            raise
        raise ModelError(
            f"{original.called}: its weights do not have the shapes of {config}: {hint}."
        ) from error
    for names, said in (
        (report.missing_keys, f"lacks weights of {config}"),
        (report.unexpected_keys, f"has weights that {config} does not know"),
    ):
        if names:
            raise ModelError(f"{original.called} {said} ({sorted(names)[0]}, …): {hint}.")


@contextmanager
def explained(original: Original, taker: Taker, config: str) -> Iterator[None]:
    """One line where a package cannot build a network from a config.

    Raises:
        ModelError: The block failed.
    """
    try:
        yield
    except (ModelError, MissingPackageError):
        raise
    except Exception as error:
        if out_of_memory(error):
            raise
        raise ModelError(
            f"{original.called}: the package of {taker.title} cannot build what {config} says: "
            f"{type(error).__name__}: {first_line(error)}"
        ) from error


def _path(model: str) -> Path:
    try:
        return Path(model).expanduser()
    except RuntimeError:  # whose home `~name` is
        return Path(model)


def _wrong_format(model: str, taker: Taker) -> str:
    return (
        f"{model} is no original checkpoint: for models in transformers' format take "
        f"--set {taker.section}.name={taker.instead}; else {taker.get}."
    )


def _fingerprint(path: Path) -> str:
    """Reading gigabytes to tell a file from others would take too long."""
    about = path.stat()
    digest = hashlib.sha256(f"{path.name}\0{about.st_size}\0{about.st_mtime_ns}".encode())
    return f"{path.name}@{digest.hexdigest()[:12]}"
