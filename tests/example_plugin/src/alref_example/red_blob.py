"""A detector that knows one thing: what is red."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import cv2
import numpy as np

from alref_agent.config import Config
from alref_agent.types import Detections, Frame, Grounding, Target


class RedBlob:
    """Boxes around connected red pixels; the larger, the surer."""

    version = "1"
    batch_size = 1

    def __init__(self, max_boxes: int) -> None:
        self._max_boxes = max_boxes

    @classmethod
    def from_config(cls, config: Config) -> Self:
        return cls(config.detector.max_boxes)

    def ground(self, expression: str) -> Grounding:
        if "red" not in expression.lower().split():
            return Grounding((), "Only red things are known here.")
        return Grounding((Target("red thing", "red", 1.0),), "'red' is what this detector finds.")

    def detect(
        self,
        frames: Mapping[int, Frame],
        expressions: Sequence[str],
        box_threshold: float | None = None,
    ) -> Sequence[Sequence[Detections]]:
        answers = []
        for frame_idx, frame in frames.items():
            found = self._blobs(frame_idx, frame)
            nothing = Detections(
                frame_idx,
                np.zeros((0, 4), np.float32),
                np.zeros(0, np.float32),
                (),
                np.zeros(0, np.int32),
            )
            answers.append(
                [found if self.ground(text).targets else nothing for text in expressions]
            )
        return answers

    def _blobs(self, frame_idx: int, frame: Frame) -> Detections:
        red = (frame[..., 0] > 150) & (frame[..., 1:].max(axis=2) < 100)
        _, _, stats, _ = cv2.connectedComponentsWithStats(red.astype(np.uint8))
        blobs = sorted(stats[1:].tolist(), key=lambda blob: -blob[4])[: self._max_boxes]
        boxes = [(x, y, x + w, y + h) for x, y, w, h, _ in blobs]
        n = len(boxes)
        return Detections(
            frame_idx=frame_idx,
            boxes=np.array(boxes, np.float32).reshape(n, 4),
            scores=np.array([area / red.sum() for *_, area in blobs], np.float32),
            phrases=("red thing",) * n,
            targets=np.zeros(n, np.int32),
        )
