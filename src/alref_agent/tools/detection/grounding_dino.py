"""The detectors `grounding-dino` and `mm-grounding-dino`: boxes for whole sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import nn
from transformers import GroundingDinoForObjectDetection, MMGroundingDinoForObjectDetection
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
    GroundingDinoImageProcessorPil,
)

from alref_agent.config import Config
from alref_agent.errors import ConfigError
from alref_agent.tools.detection.checkpoint import Checkpoint, Kind, find
from alref_agent.tools.detection.open_vocabulary import caption, ground, nothing
from alref_agent.tools.detection.selection import Limits, corners, select
from alref_agent.types import Detections, Frame, Grounding

SINCE = (5, 23)
"""Earlier versions of transformers give the words of a text wrong positions, and some of them give
all layers of MM-GroundingDINO's decoder the first one's head: boxes that show nothing."""


@dataclass(frozen=True, eq=False)
class Text:
    """An expression, as the network reads it."""

    caption: str
    """One phrase that ends with a full stop."""
    inputs: dict[str, torch.Tensor]
    """`input_ids` and so on, `(1, T)` each."""
    known: bool
    """Whether the model knows any word of it."""
    words: tuple[int | None, ...]
    """`T`: of which word each token is a part; None for those that are no part of the phrase."""
    spans: tuple[tuple[int, int], ...]
    """Where each word stands in the caption."""

    def phrase(self, tokens: Sequence[int]) -> str:
        """The words that these tokens belong to; all words where there are none."""
        chosen = sorted({word for i in tokens if (word := self.words[i]) is not None})
        runs: list[list[int]] = []
        for word in chosen or range(len(self.spans)):
            if runs and word == runs[-1][-1] + 1:
                runs[-1].append(word)
            else:
                runs.append([word])
        return " ".join(self.caption[self.spans[r[0]][0] : self.spans[r[-1]][1]] for r in runs)


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
                pictures = self._checkpoint.prepare(frames.values())
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
        n_tokens = len(text.words)
        given = {name: tensor.expand(len(frames), -1) for name, tensor in text.inputs.items()}
        out = self._model(**pictures, **given)
        logits = out.logits[..., :n_tokens].float()
        found = []
        for (i, frame), chances, boxes in zip(
            frames.items(),
            self._checkpoint.numbers(logits.sigmoid()),
            self._checkpoint.numbers(out.pred_boxes),
            strict=True,
        ):
            height, width = frame.shape[:2]
            scores = chances.max(axis=1)
            kept, which = select(corners(boxes, width, height), scores, height, width, limits)
            phrases = tuple(
                text.phrase(np.flatnonzero(row >= self._text_threshold).tolist())
                for row in chances[which]
            )
            zeros = np.zeros(len(which), np.int32)
            found.append(Detections(i, kept, scores[which], phrases, zeros))
        return found

    def _read(self, expression: str) -> Text:
        settings, tokenizer = self._checkpoint.settings, self._checkpoint.tokenizer
        written = caption(expression) + "."
        encoded = tokenizer(written, return_tensors="pt", return_token_type_ids=True)
        n_tokens = encoded["input_ids"].shape[1]
        most = min(settings.max_text_len, settings.text_config.max_position_embeddings)
        if n_tokens > most:
            raise ConfigError(
                f"The expression {written[:40]!r}… is too long: it has {n_tokens} tokens, and "
                f"{self._checkpoint.source.called} reads {most} at most. Shorten it."
            )
        words = encoded.word_ids(0)
        spans = [
            encoded.word_to_chars(0, word) for word in dict.fromkeys(words) if word is not None
        ]
        stop = len(spans) - 1
        ids = encoded["input_ids"][0].tolist()
        inner = [token for token, word in zip(ids, words, strict=True) if word not in (None, stop)]
        return Text(
            written,
            {name: encoded[name].to(self._checkpoint.device) for name in encoded},
            any(token != tokenizer.unk_token_id for token in inner),
            tuple(None if word == stop else word for word in words),
            tuple((span.start, span.end) for span in spans[:stop]),
        )


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
