"""SAM 2 and its kin through transformers: what their backends share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Sequence
from importlib.util import find_spec
from typing import Any, ClassVar, Self

import numpy as np
import torch
from transformers import PreTrainedConfig

from alref_agent.config import Config
from alref_agent.errors import ConfigError, ModelError
from alref_agent.tools.segmentation.cues import Course
from alref_agent.tools.segmentation.hf_attention import narrow
from alref_agent.tools.segmentation.hf_session import SessionFollower, Shown
from alref_agent.tools.segmentation.network import Features, Outlook
from alref_agent.tools.segmentation.pixels import full_size, pixels
from alref_agent.tools.segmentation.remedy import remedy
from alref_agent.tools.segmentation.sweeps import object_masks
from alref_agent.types import Frame, Mask, ObjectMask, Prompt, Video
from alref_agent.weights.devices import choose_device, choose_dtype
from alref_agent.weights.loading import described, find_weights, full_memory_explained, load_weights
from alref_agent.weights.source import Source
from alref_agent.weights.trouble import without_timm

_STRIDE = 32
"""Sides of pictures are multiples of what the image encoder shrinks them by."""


class HfNetwork:
    """A `Network` on a video model of transformers."""

    def __init__(
        self,
        model: Any,
        session: Callable[..., Any],
        *,
        as_mask: bool = False,
        offload: bool = False,
        compiler: Callable[[Any], Any] | None = None,
    ) -> None:
        """Take a loaded model.

        Args:
            model: On its device, in its dtype, in evaluation mode; parts of it are replaced by ones
                that compute the same.
            session: The class of its inference sessions.
            as_mask: Whether a box becomes a mask first; see `SessionFollower`.
            offload: Whether what is remembered waits in the computer's memory.
            compiler: What compiles the image encoder, as `torch.compile`; None: it is not compiled.
        """
        self._model = model
        self._session = session
        self._as_mask = as_mask
        self.device: torch.device = model.device
        self._waits_at = torch.device("cpu") if offload else self.device
        narrow(model)
        if compiler is not None:
            model.vision_encoder = compiler(model.vision_encoder)
        blank = np.zeros((8, 8, 3), np.uint8)
        with torch.inference_mode():
            # Also the warm-up: kernels are chosen, and compiled where that is asked for.
            encoded = model.get_image_features(self._pixels(blank), return_dict=True)
        self._positions = list(encoded.fpn_position_encoding)

    def encode(self, frame: Frame) -> Features:
        """The levels of the feature pyramid, `(h * w, 1, channels)` each, finest first."""
        with torch.inference_mode():
            encoded = self._model.get_image_features(self._pixels(frame), return_dict=True)
        return list(encoded.fpn_hidden_states)

    def n_bytes(self, features: Features) -> int:
        """Of all levels."""
        return sum(level.numel() * level.element_size() for level in features)

    def put_away(self, features: Features) -> Features:
        """In the computer's memory, where that is asked for."""
        return [level.to(self._waits_at) for level in features]

    def at_hand(self, features: Features) -> Features:
        """On the device."""
        return [level.to(self.device) for level in features]

    def follower(self, course: Course, n_frames: int, size: tuple[int, int]) -> SessionFollower:
        """A session of its own an object."""
        session = self._session(
            video=None,
            video_height=size[0],
            video_width=size[1],
            inference_device=self.device,
            inference_state_device=self._waits_at,
            dtype=self._model.dtype,
        )
        # Not one for all: two videos may be segmented at once.
        shown = Shown(self._positions)
        return SessionFollower(self._model, session, course, n_frames, shown, self._as_mask)

    def mask(self, outlook: Outlook, size: tuple[int, int]) -> Mask:
        """Logits at a quarter of the network's size, enlarged."""
        return full_size(outlook.logits, size)

    def _pixels(self, frame: Frame) -> torch.Tensor:
        side = self._model.config.image_size
        return pixels(frame, side, self.device, self._model.dtype)


class HfSegmenter:
    """The base of the backends `sam2` and `edgetam`."""

    name: ClassVar[str]
    """In the settings."""
    title: ClassVar[str]
    """For messages: `SAM 2`."""
    kinds: ClassVar[Collection[str]]
    """The `model_type`s of transformers that will do."""
    default: ClassVar[str]
    """The hub id that is taken where the settings name none."""
    smaller: ClassVar[str]
    """The hub id of the smallest model, for those whose memory is full."""

    def __init__(self, network: HfNetwork, called: str, version: str, config: Config) -> None:
        self.version = version
        self._called = called
        self._network = network
        self._config = config

    @classmethod
    def classes(cls) -> tuple[Any, Any]:
        """The model's class of transformers, and that of its sessions."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Load the model; reads `segmenter`, `device` and `dtype`.

        Raises:
            ModelError: It cannot be found, is of another kind, broken, or too large.
            ConfigError: A setting that it cannot use; the device is not there.
            MissingPackageError: A package that it needs is not installed.
        """
        source, settings = cls._found(config)
        device = choose_device(config.device)
        dtype = choose_dtype(config.dtype, device)
        model_class, session = cls.classes()
        with full_memory_explained(source.called, device, cls._remedy(config)):
            model = load_weights(model_class, source, settings, device, dtype, cls._remedy(config))
            network = HfNetwork(
                model,
                session,
                as_mask=config.segmenter.prompt == "mask",
                offload=config.segmenter.offload == "cpu",
                compiler=torch.compile if config.segmenter.compile else None,
            )
        version = described(model_class, source, device, dtype)
        return cls(network, source.called, version, config)

    @classmethod
    def _found(cls, config: Config) -> tuple[Source, PreTrainedConfig]:
        """Where the model lies, and its settings with the size of pictures that is asked for."""
        if config.segmenter.options:
            option = next(iter(config.segmenter.options))
            raise ConfigError(
                f"segmenter.options.{option}: the segmenter {cls.name} has no options."
            )
        model = config.segmenter.model or cls.default
        source, settings = find_weights(model, cls.kinds, f"a segmenter for {cls.name}")
        backbone = settings.vision_config.backbone_config
        if backbone.model_type == "timm_wrapper" and not find_spec("torchvision"):
            raise without_timm(source)
        own = settings.image_size
        if not isinstance(own, int) or own <= 0 or own % _STRIDE:
            raise ModelError(
                f"{source.called} cannot be used: image_size is {own!r} in its config.json: "
                f"{source.again}."
            )
        return source, resized(settings, config.segmenter.image_size, cls.title)

    @classmethod
    def _remedy(cls, config: Config) -> str:
        """What to do where memory is full."""
        in_use = config.segmenter.model or cls.default
        return remedy(config.segmenter, in_use, cls.smaller)

    @classmethod
    def check(cls, config: Config) -> None:
        """Raise what `from_config` would, without reading weights."""
        choose_dtype(config.dtype, choose_device(config.device))
        cls._found(config)

    def segment(self, video: Video, prompts: Sequence[Prompt]) -> Iterator[ObjectMask]:
        """Carry every object's prompts through the whole video; see `object_masks`.

        Raises:
            ConfigError: A prompt that does not fit the video.
            ModelError: Memory is full.
        """
        what_to_do = self._remedy(self._config)
        with full_memory_explained(self._called, self._network.device, what_to_do):
            yield from object_masks(
                self._network, video, prompts, self._config.segmenter, self._called
            )


def resized(settings: PreTrainedConfig, side: int | None, title: str) -> PreTrainedConfig:
    """A model's settings for pictures of another size; its weights fit any.

    Args:
        settings: Of SAM 2 or EdgeTAM.
        side: Of the square that frames are resized to, in pixels; None: the model's own.
        title: What messages call the model.

    Raises:
        ConfigError: A size that the image encoder cannot halve as often as it does.
    """
    if side is None:
        return settings
    if side % _STRIDE:
        near = max(_STRIDE, round(side / _STRIDE) * _STRIDE)
        raise ConfigError(
            f"segmenter.image_size={side}: {title} takes multiples of {_STRIDE}: {near} is near."
        )
    new = copy.deepcopy(settings)
    new.image_size = side
    new.prompt_encoder_config.image_size = side
    new.vision_config.backbone_feature_sizes = [[side // n, side // n] for n in (4, 8, 16)]
    new.vision_config.backbone_config.image_size = [side, side]
    new.memory_attention_rope_feat_sizes = [side // 16, side // 16]
    return new
