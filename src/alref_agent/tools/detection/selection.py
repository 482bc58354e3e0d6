"""From all boxes that a learned detector proposes to the candidates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from alref_agent.config import Config
from alref_agent.tools.detection.tiles import Ints, suppress
from alref_agent.types import Floats

SIDE = 1.0
"""The least width and height of a box, in pixels: a smaller one shows nothing."""


@dataclass(frozen=True)
class Limits:
    """Which of the proposed boxes become candidates."""

    box_threshold: float
    """The least score."""
    nms_threshold: float
    """Of boxes that overlap more than this (IoU) the best is kept."""
    max_boxes: int
    """At most this many."""

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """As in the settings."""
        settings = config.detector
        return cls(settings.box_threshold, settings.nms_threshold, settings.max_boxes)

    def over(self, box_threshold: float | None) -> Self:
        """The same with another threshold; None: the same."""
        return self if box_threshold is None else replace(self, box_threshold=box_threshold)


def corners(boxes: Floats, width: float, height: float) -> Floats:
    """Boxes as networks give them -> xyxy in pixels.

    Args:
        boxes: `(N, 4)`: x and y of the centre, width and height, as shares of a picture.
        width: Of that picture, in pixels.
        height: Of that picture, in pixels.
    """
    half = boxes[:, 2:] / 2
    xyxy = np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)
    scaled: Floats = (xyxy * np.array([width, height, width, height])).astype(np.float32)
    return scaled


def select(
    boxes: Floats, scores: Floats, height: int, width: int, limits: Limits
) -> tuple[Floats, Ints]:
    """The candidates among all proposed boxes.

    Args:
        boxes: `(N, 4)`, xyxy in pixels, wherever they reach.
        scores: `(N,)`, finite.
        height: Of the frame.
        width: Of the frame.
        limits: Which are kept.

    Returns:
        `(K, 4)`, cut to the frame, best first, and `(K,)`: which of all they are.
    """
    inside = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    large = (inside[:, 2:] - inside[:, :2] >= SIDE).all(axis=1)
    near = np.flatnonzero(large & (scores >= limits.box_threshold))
    if limits.nms_threshold < 1:
        alike = np.zeros(len(near), np.int32)
        best = suppress(inside[near], scores[near], alike, limits.nms_threshold, limits.max_boxes)
    else:
        best = np.argsort(-scores[near], kind="stable")[: limits.max_boxes]
    kept = near[best]
    return inside[kept], kept.astype(np.int32)
