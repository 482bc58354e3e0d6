"""How much boxes and box tracks overlap."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from alref_agent.types import BoxTrack


def iou(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> float:
    """Intersection over union of two boxes, `(4,)` xyxy."""
    inner = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    intersection = float(np.prod(np.clip(inner, 0, None)))
    union = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - intersection
    return intersection / union if union > 0 else 0.0


def track_iou(a: BoxTrack, b: BoxTrack) -> float:
    """Mean overlap over all frames on which either has a box; 0 where only one has."""
    mine = dict(zip(a.frame_idxs.tolist(), a.boxes, strict=True))
    other = dict(zip(b.frame_idxs.tolist(), b.boxes, strict=True))
    overlaps = [iou(mine[i], other[i]) for i in mine.keys() & other.keys()]
    return float(sum(overlaps) / len(mine.keys() | other.keys()))
