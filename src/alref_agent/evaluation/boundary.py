"""Boundary accuracy F: how well the outlines of two masks match, as the DAVIS benchmark has it.

Source: Perazzi et al. (CVPR 2016), and the official code davisvideochallenge/davis2017-evaluation
for the details: which pixels are an outline, the round tolerance, and what empty outlines score.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from alref_agent.evaluation.region import check_masks
from alref_agent.types import Mask


def boundary_accuracy(
    prediction: Mask, truth: Mask, void: Mask | None = None, tolerance: float = 0.008
) -> float:
    """F-measure of the outlines on one frame, in [0, 1].

    Only outlines count and the edge of the frame is none: a full mask against an empty one
    scores 1, as in the official code.

    Args:
        prediction: `(H, W)` bool.
        truth: `(H, W)` bool.
        void: `(H, W)` bool; background in both masks before outlines are taken.
        tolerance: How far apart two outlines may be and still match: a share of the frame's
            diagonal, rounded up to pixels, or, from 1 on, pixels.

    Raises:
        ValueError: The shapes differ, or a mask is not bool.
    """
    check_masks(prediction, truth, void)
    if void is not None:
        prediction, truth = prediction & ~void, truth & ~void
    outline_p, outline_t = outline(prediction), outline(truth)
    n_p, n_t = int(np.count_nonzero(outline_p)), int(np.count_nonzero(outline_t))
    if n_p == 0 or n_t == 0:
        return 1.0 if n_p == n_t else 0.0
    disk = _disk(radius(truth.shape[0], truth.shape[1], tolerance))
    near_p = cv2.dilate(outline_p.view(np.uint8), disk).view(np.bool_)
    near_t = cv2.dilate(outline_t.view(np.uint8), disk).view(np.bool_)
    precision = int(np.count_nonzero(outline_p & near_t)) / n_p
    recall = int(np.count_nonzero(outline_t & near_p)) / n_t
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0


def outline(mask: Mask) -> Mask:
    """`(H, W)` bool: pixels that differ from their right, lower or lower right neighbour."""
    edge = np.zeros_like(mask)
    edge[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    edge[:-1] |= mask[:-1] != mask[1:]
    edge[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return edge


def radius(height: int, width: int, tolerance: float = 0.008) -> int:
    """The tolerance in whole pixels for frames of this size."""
    if tolerance >= 1:
        return int(tolerance)
    return math.ceil(tolerance * math.hypot(height, width))


def _disk(r: int) -> npt.NDArray[np.uint8]:
    y, x = np.ogrid[-r : r + 1, -r : r + 1]
    return np.asarray(x * x + y * y <= r * r, np.uint8)
