"""The detectors `grounding-dino` and `mm-grounding-dino`: boxes for whole sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Self

import torch
from torch import nn
from transformers import GroundingDinoForObjectDetection, MMGroundingDinoForObjectDetection
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
    GroundingDinoImageProcessorPil,
)

from alref_agent.config import Config
from alref_agent.tools.detection.checkpoint import Checkpoint, Kind, find
from alref_agent.tools.detection.open_vocabulary import caption, ground, nothing
from alref_agent.tools.detection.selection import Limits
from alref_agent.tools.detection.sentences import Sentence, candidates, read
from alref_agent.types import Detections, Frame, Grounding

SINCE = (5, 23)
"""Earlier versions of transformers give the words of a text wrong positions, and some of them give
all layers of MM-GroundingDINO's decoder the first one's head: boxes that show nothing."""

STRIDE = 32
"""Pixels that become one in the smallest of the maps that the image encoder makes of a picture."""


class GroundingDino:
    """GroundingDINO of transformers, tiny or base.

    It looks at a batch of frames once an expression: several expressions in one text would be read
    together, and texts of several lengths in one batch would be padded. What it sees in the frames
    before it reads is kept for the other expressions. A box's score is that of its best word, which
    may be one that only tells the object apart (`the man next to the car`); the phrase says which
    words count.
    """

    kind: ClassVar[Kind] = Kind(
        name="grounding-dino",
        model=GroundingDinoForObjectDetection,
        pictures=GroundingDinoImageProcessorPil,
        model_types=("grounding-dino",),
        default="IDEA-Research/grounding-dino-tiny",
        smallest="IDEA-Research/grounding-dino-tiny",
        since=SINCE,
    )

    def __init__(
        self,
        checkpoint: Checkpoint,
        model: Any,
        limits: Limits,
        text_threshold: float = 0.2,
        batch_size: int = 1,
    ) -> None:
        """Put the parts together.

        Args:
            checkpoint: Where the model comes from, with its tokenizer.
            model: The model itself; this object may change its parts.
            limits: Which boxes become candidates.
            text_threshold: The least score of a word that counts to a box's phrase.
            batch_size: How many frames are looked at together.
        """
        self.batch_size = batch_size
        self.version = checkpoint.version
        self._checkpoint = checkpoint
        self._model = model
        self._seen = _Once(model.model.backbone.conv_encoder)
        model.model.backbone.conv_encoder = self._seen
        self._limits = limits
        self._text_threshold = text_threshold
        self._text = lru_cache(maxsize=64)(self._read)

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Load the model; `config.detector.model` is a hub id or a folder.

        Raises:
            ConfigError: A setting that it cannot use.
            ModelError: The model is not there, cannot be reached or is none.
            MissingPackageError: A package that the model needs is not installed.
        """
        checkpoint = find(config, cls.kind)
        # The decoder's heads are those of the model. Files do not have them twice, and settings
        # of other versions may say otherwise: then the decoder's would be random.
        checkpoint.settings.tie_word_embeddings = True
        checkpoint.settings.disable_custom_kernels = True  # they would be compiled
        return cls(
            checkpoint,
            checkpoint.load(),
            Limits.from_config(config),
            config.detector.text_threshold,
            config.detector.batch_size,
        )

    @classmethod
    def check(cls, config: Config) -> None:
        """Raise what `from_config` would, without reading the weights."""
        find(config, cls.kind)

    def ground(self, expression: str) -> Grounding:
        """The whole expression as one target.

        Raises:
            ConfigError: It is longer than the model reads.
        """
        if caption(expression) and not self._text(expression).known:
            return Grounding((), "The model knows none of its words.")
        return ground(expression, "The model reads the whole expression.")

    def detect(
        self,
        frames: Mapping[int, Frame],
        expressions: Sequence[str],
        box_threshold: float | None = None,
    ) -> Sequence[Sequence[Detections]]:
        """The candidates on some frames; see the class."""
        limits = self._limits.over(box_threshold)
        answers: list[list[Detections]] = [[] for _ in frames]
        try:
            with self._checkpoint.computing():
                pictures = self._enough(self._checkpoint.prepare(frames.values()))
                for expression in expressions:
                    found = self._find(frames, pictures, expression, limits)
                    for on_frame, answer in zip(answers, found, strict=True):
                        on_frame.append(answer)
        finally:
            self._seen.forget()
        return answers

    def _find(
        self,
        frames: Mapping[int, Frame],
        pictures: Mapping[str, torch.Tensor],
        expression: str,
        limits: Limits,
    ) -> list[Detections]:
        """The candidates for one expression, one a frame."""
        if not self.ground(expression).targets:
            return [nothing(i) for i in frames]
        text = self._text(expression)
        given = {
            name: tensor.to(self._checkpoint.device).expand(len(frames), -1)
            for name, tensor in text.inputs.items()
        }
        out = self._model(**pictures, **given)
        chances = out.logits[..., : len(text.words)].float().sigmoid()
        return [
            candidates(text, on_frame, boxes, i, frame, limits, self._text_threshold)
            for (i, frame), on_frame, boxes in zip(
                frames.items(),
                self._checkpoint.numbers(chances),
                self._checkpoint.numbers(out.pred_boxes),
                strict=True,
            )
        ]

    def _enough(self, pictures: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Pictures with as many positions as the model chooses from, or more.

        It takes the best positions of a picture, as many as it has queries, and a strip has fewer.
        It is filled up below or on the right, like the smaller ones of a batch, with what the mask
        hides; boxes stay shares of what is not filled up.
        """
        settings = self._checkpoint.settings
        pictures.setdefault("pixel_mask", torch.ones_like(pictures["pixel_values"][:, 0]).long())
        while settings.two_stage:
            maps = self._seen(**pictures)
            sides = [features.shape[-2:] for features, _ in maps]
            while len(sides) < settings.num_feature_levels:
                sides.append(torch.Size((side + 1) // 2 for side in sides[-1]))
            if sum(side.numel() for side in sides) >= settings.num_queries:
                break
            height, width = pictures["pixel_values"].shape[-2:]
            more = (0, 0, 0, STRIDE) if height <= width else (0, STRIDE, 0, 0)
            pictures = {name: nn.functional.pad(tensor, more) for name, tensor in pictures.items()}
        return pictures

    def _read(self, expression: str) -> Sentence:
        settings = self._checkpoint.settings
        most = min(settings.max_text_len, settings.text_config.max_position_embeddings)
        return read(expression, self._checkpoint.tokenizer, most, self._checkpoint.source.called)


class MmGroundingDino(GroundingDino):
    """MM-GroundingDINO of transformers, and LLMDet, which has the same parts."""

    kind: ClassVar[Kind] = Kind(
        name="mm-grounding-dino",
        model=MMGroundingDinoForObjectDetection,
        pictures=GroundingDinoImageProcessorPil,
        model_types=("mm-grounding-dino",),
        # Users report that the tiny one's boxes are no good in transformers.
        default="openmmlab-community/mm_grounding_dino_base_o365v1_goldg_v3det",
        smallest="openmmlab-community/mm_grounding_dino_tiny_o365v1_goldg_v3det",
        since=SINCE,
    )


class _Once(nn.Module):
    """A part of a network that computes once for the same pictures."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self._part = part
        self.forget()

    def forget(self) -> None:
        """Let go of what was computed."""
        self._pictures: torch.Tensor | None = None
        self._kept: Any = None

    def forward(self, pixel_values: torch.Tensor, pixel_mask: torch.Tensor) -> Any:
        """What the part makes of the pictures."""
        if self._pictures is not pixel_values:
            self._kept = self._part(pixel_values, pixel_mask)
            self._pictures = pixel_values
        return self._kept
