"""The detector `owlv2`: boxes for short descriptions, all of them from one look at a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import scipy  # type: ignore[import-untyped]  # noqa: F401 - transformers would miss it late
import torch
from torch import nn
from transformers import Owlv2ForObjectDetection
from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil

from alref_agent.config import Config
from alref_agent.tools.detection.checkpoint import Checkpoint, Kind, find
from alref_agent.tools.detection.open_vocabulary import caption, ground, nothing
from alref_agent.tools.detection.selection import Limits, corners, select
from alref_agent.types import Detections, Frame, Grounding


class Owlv2:
    """OWLv2 of transformers.

    It reads the first 16 tokens of an expression, about a dozen words, and knows what things are
    better than where they are or what they do. Each picture is encoded once for all expressions.
    Its scores are lower than those of the others: of the ensemble models, 0.1 to 0.3 is a good
    `detector.found_threshold`.
    """

    kind: ClassVar[Kind] = Kind(
        name="owlv2",
        model=Owlv2ForObjectDetection,
        pictures=Owlv2ImageProcessorPil,
        model_types=("owlv2",),
        default="google/owlv2-base-patch16-ensemble",
        smallest="google/owlv2-base-patch16-ensemble",
    )

    def __init__(
        self, checkpoint: Checkpoint, model: Any, limits: Limits, batch_size: int = 1
    ) -> None:
        """Put the parts together.

        Args:
            checkpoint: Where the model comes from, with its tokenizer.
            model: The model itself; this object may change its parts.
            limits: Which boxes become candidates.
            batch_size: How many frames are looked at together.
        """
        self.batch_size = batch_size
        self.version = checkpoint.version
        self._checkpoint = checkpoint
        self._model = model
        model.box_head = _Precise(model.box_head)
        self._limits = limits
        self._n_tokens = int(checkpoint.settings.text_config.max_position_embeddings)

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Load the model; `config.detector.model` is a hub id or a folder.

        Raises:
            ConfigError: A setting that it cannot use.
            ModelError: The model is not there, cannot be reached or is none.
            MissingPackageError: A package that the model needs is not installed.
        """
        checkpoint = find(config, cls.kind)
        limits = Limits.from_config(config)
        return cls(checkpoint, checkpoint.load(), limits, config.detector.batch_size)

    @classmethod
    def check(cls, config: Config) -> None:
        """Raise what `from_config` would, without reading the weights."""
        find(config, cls.kind)

    def ground(self, expression: str) -> Grounding:
        """The whole expression as one target; the reason says where its end is not read."""
        written = caption(expression)
        # Else it warns of what is too long, on the standard error.
        encoded = self._checkpoint.tokenizer(written, return_offsets_mapping=True, verbose=False)
        reason = "The model reads the whole expression."
        if len(encoded["input_ids"]) > self._n_tokens:
            # The last of those that are read is the token that ends a text.
            end = encoded["offset_mapping"][self._n_tokens - 2][1]
            reason = f"The model reads no more than its beginning: {written[:end]!r}."
        return ground(expression, reason)

    def detect(
        self,
        frames: Mapping[int, Frame],
        expressions: Sequence[str],
        box_threshold: float | None = None,
    ) -> Sequence[Sequence[Detections]]:
        """The candidates on some frames; see the class."""
        texts = [caption(expression) for expression in expressions]
        asked = [text for text in texts if text]
        if not asked:
            return [[nothing(i) for _ in texts] for i in frames]
        with self._checkpoint.computing():
            given = self._read(asked)
            out = self._model(
                **self._checkpoint.prepare(frames.values()),
                **{name: tensor.repeat(len(frames), 1) for name, tensor in given.items()},
            )
            scores = self._checkpoint.numbers(out.logits.float().sigmoid())
            boxes = self._checkpoint.numbers(out.pred_boxes)
        limits = self._limits.over(box_threshold)
        answers = []
        for (i, frame), chances, shares in zip(frames.items(), scores, boxes, strict=True):
            columns = iter(chances.T)
            answers.append(
                [
                    _candidates(i, frame, text, next(columns), shares, limits)
                    if text
                    else nothing(i)
                    for text in texts
                ]
            )
        return answers

    def _read(self, texts: list[str]) -> dict[str, torch.Tensor]:
        encoded = self._checkpoint.tokenizer(
            texts,
            padding="max_length",
            truncation=True,
            max_length=self._n_tokens,
            return_tensors="pt",
        )
        return {
            name: encoded[name].to(self._checkpoint.device)
            for name in ("input_ids", "attention_mask")
        }


def _candidates(
    frame_idx: int,
    frame: Frame,
    text: str,
    scores: np.ndarray[tuple[int], np.dtype[np.float32]],
    shares: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    limits: Limits,
) -> Detections:
    height, width = frame.shape[:2]
    # The picture that it sees is a square, filled up below or on the right.
    side = max(height, width)
    boxes, which = select(corners(shares, side, side), scores, height, width, limits)
    zeros = np.zeros(len(which), np.int32)
    return Detections(frame_idx, boxes, scores[which], (text,) * len(which), zeros)


class _Precise(nn.Module):
    """A part of a network that computes with float32 whatever the others do.

    With eight bits, the sides of a box in a large picture are off by several pixels.
    """

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self._part = part

    def forward(self, features: torch.Tensor) -> Any:
        """What the part makes of features."""
        with torch.autocast(features.device.type, enabled=False):
            return self._part(features.float())
