"""The segmenter `sam2-official`: the `sam2` package of SAM 2's authors with its own checkpoints.

For comparison, and for those who have such files. The package and what it needs are installed as
docs/models.md says; they are imported when a model is loaded.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Self

import torch

from alref_agent.config import Config
from alref_agent.tools.segmentation.remedy import remedy
from alref_agent.tools.segmentation.sam2_official_build import (
    TAKER,
    build,
    check_side,
    config_file,
)
from alref_agent.tools.segmentation.sam2_official_state import OfficialNetwork
from alref_agent.tools.segmentation.sweeps import object_masks
from alref_agent.types import ObjectMask, Prompt, Video
from alref_agent.weights.devices import choose_device, choose_dtype
from alref_agent.weights.loading import full_memory_explained
from alref_agent.weights.original import Original, find_original

_SMALLER = "sam2.1_hiera_tiny.pt"


class Sam2Official:
    """See the module. Ravi et al., "SAM 2: Segment Anything in Images and Videos", 2024.

    Frames are prepared as by the package's video loader, and small holes are not filled, as where
    the package has no CUDA extension. On a GPU that has bfloat16 it computes under autocast, as its
    authors do; weights are float32 all the same.
    """

    def __init__(self, network: OfficialNetwork, called: str, version: str, config: Config) -> None:
        self.version = version
        self._called = called
        self._network = network
        self._config = config

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Load the model; reads `segmenter`, `device` and `dtype`.

        Raises:
            ModelError: The checkpoint cannot be found, is none of SAM 2, broken, or too large.
            ConfigError: A setting that it cannot use; the device is not there.
            MissingPackageError: A package that it needs is not installed.
        """
        original, settings = cls._found(config)
        device = choose_device(config.device)
        dtype = choose_dtype(config.dtype, device)
        with full_memory_explained(original.called, device, _remedy(config)):
            # They warn of what is no concern of a user: names that moved, extensions not built.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = build(original, settings, config.segmenter.image_size).to(device)
            network = OfficialNetwork(
                model,
                dtype=dtype,
                as_mask=config.segmenter.prompt == "mask",
                offload=config.segmenter.offload == "cpu",
                compiler=torch.compile if config.segmenter.compile else None,
            )
        version = f"{original.answers_as} (sam2 {_package_version()})"
        return cls(network, original.called, version, config)

    @classmethod
    def check(cls, config: Config) -> None:
        """Raise what `from_config` would, without reading weights."""
        choose_dtype(config.dtype, choose_device(config.device))
        cls._found(config)

    @classmethod
    def _found(cls, config: Config) -> tuple[Original, Path]:
        """The checkpoint, and the file that says how its network is built."""
        TAKER.check_packages()
        original = find_original(config.segmenter.model, TAKER)
        check_side(config.segmenter.image_size)
        return original, config_file(config, original)

    def segment(self, video: Video, prompts: Sequence[Prompt]) -> Iterator[ObjectMask]:
        """Carry every object's prompts through the whole video; see `object_masks`.

        Raises:
            ConfigError: A prompt that does not fit the video.
            ModelError: Memory is full.
        """
        what_to_do = _remedy(self._config)
        with full_memory_explained(self._called, self._network.device, what_to_do):
            yield from object_masks(
                self._network, video, prompts, self._config.segmenter, self._called
            )


def _remedy(config: Config) -> str:
    """What to do where memory is full."""
    in_use = Path(config.segmenter.model or "").name
    return remedy(config.segmenter, in_use, _SMALLER)


def _package_version() -> str:
    try:
        return version("sam2")
    except PackageNotFoundError:  # on the path, but not installed
        return "of unknown version"
