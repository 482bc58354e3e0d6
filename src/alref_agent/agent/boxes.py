"""How much boxes overlap, on one frame and over time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from alref_agent.types import Floats


def iou(a: Floats, b: Floats) -> float:
    """Intersection over union of two boxes, `(4,)` xyxy."""
    inner = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    intersection = float(np.prod(np.clip(inner, 0, None)))
    union = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - intersection
    return intersection / union if union > 0 else 0.0


def overlap(a: Mapping[int, Floats], b: Mapping[int, Floats]) -> float:
    """Mean over all frames on which either has a box (`frame_idx` -> box); 0 where one has none."""
    both = a.keys() & b.keys()
    return sum(iou(a[i], b[i]) for i in both) / len(a.keys() | b.keys())


def numbers(box: Floats) -> tuple[float, float, float, float]:
    """A box as plain numbers, to a hundredth of a pixel."""
    x0, y0, x1, y1 = (round(float(v), 2) for v in box)
    return x0, y0, x1, y1
