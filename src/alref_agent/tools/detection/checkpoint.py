"""A detector of transformers: found, checked, loaded, and run as the settings say."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import transformers
from transformers import AutoTokenizer, PreTrainedConfig

from alref_agent.config import Config
from alref_agent.errors import ConfigError, MissingPackageError, ModelError, unknown
from alref_agent.types import Floats, Frame
from alref_agent.weights.devices import choose_device, choose_dtype
from alref_agent.weights.loading import (
    described,
    find_weights,
    full_memory_explained,
    load_weights,
    read_part,
)
from alref_agent.weights.quiet import quiet
from alref_agent.weights.source import Source
from alref_agent.weights.trouble import first_line

SETTINGS = "preprocessor_config.json"
_LEAST = 32
"""Pixels that a side of a prepared picture has where the frame's has more."""


@dataclass(frozen=True)
class Kind:
    """What the models of one detector have in common."""

    name: str
    """Of the detector, as in the settings."""
    model: Any
    """The class of transformers."""
    pictures: Any
    """The class that prepares pictures: that for PIL, which works without torchvision."""
    model_types: Collection[str]
    default: str
    """The hub id of the model that is taken where the settings name none."""
    smallest: str
    """The hub id of the smallest, for those whose memory is full."""
    since: tuple[int, int] = (5, 17)
    """The first version of transformers whose code for it is right."""


@dataclass(frozen=True)
class Checkpoint:
    """A model, all but its weights."""

    kind: Kind
    source: Source
    settings: PreTrainedConfig
    tokenizer: Any
    pictures: Any
    device: torch.device
    dtype: torch.dtype
    """What multiplications are computed with; weights and boxes are float32 all the same."""
    batch_size: int = 1
    """How many frames are looked at together."""

    @property
    def version(self) -> str:
        """For the record."""
        return described(self.kind.model, self.source, self.device, self.dtype)

    def load(self) -> Any:
        """The model itself.

        Raises:
            ModelError: Weights are missing or broken, or do not fit in memory.
        """
        return load_weights(
            self.kind.model,
            self.source,
            self.settings,
            self.device,
            torch.float32,
            self._remedy(),
        )

    def prepare(self, frames: Collection[Frame]) -> dict[str, torch.Tensor]:
        """Frames as the model takes them, on its device."""
        with quiet():  # of a frame of 1 x 1 pixels it says that its sides are ambiguous
            prepared = self.pictures(
                list(frames), return_tensors="pt", input_data_format="channels_last"
            )
        return {name: tensor.to(self.device) for name, tensor in prepared.items()}

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Where the model is run: without gradients, with the numbers that were chosen.

        Raises:
            ModelError: The memory does not suffice.
        """
        fewer = "look at fewer frames at once (--set detector.batch_size=1)"
        remedy = self._remedy(*([fewer] if self.batch_size > 1 else []))
        mixed = self.dtype != torch.float32
        with (
            full_memory_explained(self.source.called, self.device, remedy),
            torch.inference_mode(),
            torch.autocast(self.device.type, self.dtype if mixed else None, enabled=mixed),
        ):
            yield

    def numbers(self, tensor: torch.Tensor) -> Floats:
        """What the model gave, out of torch.

        Raises:
            ModelError: Some are no numbers.
        """
        found: Floats = tensor.float().cpu().numpy()
        if not np.isfinite(found).all():
            raise ModelError(
                f"{self.source.called} computes what are no numbers: "
                + (
                    f"its weights are broken: {self.source.again}."
                    if self.dtype == torch.float32
                    else "--set dtype=float32."
                )
            )
        return found

    def _remedy(self, *ways: str) -> str:
        """What to do where memory is too small: what is not done already."""
        if self.source.place != self.kind.smallest:
            ways = (f"take a smaller model (--set detector.model={self.kind.smallest})", *ways)
        if self.device.type != "cpu":
            ways = (*ways, "take the computer's own memory (--device cpu)")
        return ", or ".join(ways) or "take another machine, or --profile offline"


def find(config: Config, kind: Kind) -> Checkpoint:
    """The model that the settings name; its weights are not read.

    `dtype=auto` is float32 on a GPU as well: boxes are shares of the picture, and those of a score
    near a threshold should not depend on the machine. Of the others, `bfloat16` and `float16` are
    what torch's autocast makes of them.

    Raises:
        ConfigError: An option, a device or a kind of numbers that it cannot have.
        ModelError: It is not there, cannot be reached, or is no such model.
        MissingPackageError: A package that it needs is not installed.
    """
    _check_version(kind)
    for option in config.detector.options:
        raise ConfigError(unknown(f"option of the detector {kind.name}", option, ()))
    device = choose_device(config.device)
    dtype = torch.float32 if config.dtype == "auto" else choose_dtype(config.dtype, device)
    model = config.detector.model or kind.default
    source, settings = find_weights(model, kind.model_types, f"one for the detector {kind.name}")
    tokenizer = read_part(source, AutoTokenizer.from_pretrained)
    # Without its files, transformers makes one that knows next to nothing, and does not say so.
    if 2 * len(tokenizer) < settings.text_config.vocab_size:
        raise ModelError(
            f"{source.called} lacks the words of its tokenizer (tokenizer.json): {source.again}."
        )
    pictures = read_part(source, kind.pictures.from_pretrained)
    found = Checkpoint(
        kind, source, settings, tokenizer, pictures, device, dtype, config.detector.batch_size
    )
    if said := _unfit(found):
        raise ModelError(
            f"{source.called}: what it says of pictures ({SETTINGS}) {said}: {source.again}."
        )
    return found


def _unfit(found: Checkpoint) -> str | None:
    """What is wrong with how pictures are prepared; a small one shows it before a run does."""
    written = getattr(found.pictures, "image_processor_type", None)
    wanted = found.kind.pictures.__name__.removesuffix("Pil")
    if written is not None and str(written).removesuffix("Fast").removesuffix("Pil") != wanted:
        return f"is that of another kind of model ({written}, not {wanted})"
    picture = np.arange(64 * 64 * 3, dtype=np.uint32).astype(np.uint8).reshape(64, 64, 3)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of divisions by zero; what they make shows below
            seen = replace(found, device=torch.device("cpu")).prepare([picture])["pixel_values"]
    # What does not fit shows as an exception of any class.
    except Exception as error:
        return f"does not work ({type(error).__name__}: {first_line(error)})"
    if seen.ndim != 4 or seen.shape[:2] != (1, 3) or not seen.numel():
        return f"makes something else of a picture ({' x '.join(map(str, seen.shape))})"
    if not torch.isfinite(seen).all():
        return "makes what are no numbers of a picture"
    made = f"makes pictures of {seen.shape[2]} x {seen.shape[3]} pixels"
    side = getattr(getattr(found.settings, "vision_config", None), "image_size", None)
    if side is not None and seen.shape[2:] != (side, side):
        return f"{made}, and the model takes {side} x {side}"
    return f"{made}, which show nothing" if min(seen.shape[2:]) < _LEAST else None


def _check_version(kind: Kind) -> None:
    major, minor = transformers.__version__.split(".")[:2]
    if (int(major), int(minor)) < kind.since:
        raise MissingPackageError(
            f"The detector {kind.name} needs transformers {kind.since[0]}.{kind.since[1]} or "
            f"later, and {transformers.__version__} is installed: pip install --upgrade "
            "transformers"
        )
