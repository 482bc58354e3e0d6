"""What an object looks like against what is around it: histograms of codes, and their odds.

A code is a number a pixel has: of its colour, or of how it moves against the camera.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from alref_agent.tools.motion import FlowField
from alref_agent.types import Floats, Frame

Codes = npt.NDArray[np.int32]

COLOUR_SHAPE = (22, 25, 25)
"""Bins of lightness and of the two colour axes of CIELAB."""
MOTION_SHAPE = (21, 21)
"""Bins of movement to the right and down."""


def colour_codes(frame: Frame) -> Codes:
    """`(h, w)` int32: which bin of `COLOUR_SHAPE` each pixel's colour falls in."""
    lab = cv2.cvtColor(frame, cv2.COLOR_RGB2LAB).astype(np.int32)
    half = COLOUR_SHAPE[1] // 2
    # Natural colours crowd around grey, so the bins are fine there and end soon.
    a = np.clip((lab[..., 1] - 128 + 2 + 4 * half) // 4, 0, COLOUR_SHAPE[1] - 1)
    b = np.clip((lab[..., 2] - 128 + 2 + 4 * half) // 4, 0, COLOUR_SHAPE[2] - 1)
    return np.asarray(((lab[..., 0] // 12) * COLOUR_SHAPE[1] + a) * COLOUR_SHAPE[2] + b, np.int32)


def motion_codes(against: FlowField, unit: float) -> Codes:
    """`(h, w)` int32: which bin of `MOTION_SHAPE` each pixel's movement falls in.

    Args:
        against: `(h, w, 2)`: movement against the camera, in pixels.
        unit: Width of a bin, in pixels. Bins widen outwards, so that fast movement has bins too.
    """
    half = MOTION_SHAPE[0] // 2
    scaled = against / unit
    bent = np.sign(scaled) * np.log1p(np.abs(scaled)) * 2.5
    bins = np.clip(np.rint(bent), -half, half).astype(np.int32) + half
    return np.asarray(bins[..., 1] * MOTION_SHAPE[1] + bins[..., 0], np.int32)


def histogram(codes: Codes, weights: Floats, shape: tuple[int, ...]) -> Floats:
    """Sum of the weights of each code, spread over neighbouring bins: `shape`, float32."""
    counts = np.bincount(codes.ravel(), weights.ravel(), minlength=int(np.prod(shape)))
    return _spread(counts.reshape(shape).astype(np.float32))


def _spread(counts: Floats) -> Floats:
    kernel = np.array([0.25, 0.5, 0.25], np.float32)
    for axis in range(counts.ndim):
        flat = np.moveaxis(counts, axis, -1)
        rows = np.ascontiguousarray(flat).reshape(-1, flat.shape[-1])
        blurred = cv2.filter2D(rows, -1, kernel[None], borderType=cv2.BORDER_REPLICATE)
        counts = np.moveaxis(np.asarray(blurred, np.float32).reshape(flat.shape), -1, axis)
    return np.ascontiguousarray(counts)


def log_odds(inside: Floats, outside: Floats, *, limit: float = 3.0) -> Floats:
    """Per bin: log of how much likelier it is in the object than around it.

    Args:
        inside: Histogram of the object.
        outside: Histogram of what is around it, same shape.
        limit: Bound in both directions: no colour decides alone.
    """
    n_bins = inside.size
    # Unseen bins are equally likely in both.
    a = inside / max(float(inside.sum()), 1e-6) + 0.2 / n_bins
    b = outside / max(float(outside.sum()), 1e-6) + 0.2 / n_bins
    return np.asarray(np.clip(np.log(a / b), -limit, limit), np.float32)


@dataclass(eq=False)
class Looks:
    """The colours of one object and of what was around it, summed over frames."""

    inside: Floats = field(default_factory=lambda: np.zeros(COLOUR_SHAPE, np.float32))
    outside: Floats = field(default_factory=lambda: np.zeros(COLOUR_SHAPE, np.float32))

    def add(self, codes: Codes, inside: Floats, outside: Floats, weight: float = 1.0) -> None:
        """Count a frame; each frame weighs the same, however large the object is in it.

        Args:
            codes: `(h, w)` colour codes.
            inside: `(h, w)`: how surely a pixel is the object's, in [0, 1].
            outside: The same for what is around it.
            weight: Of the frame.
        """
        for sums, weights in ((self.inside, inside), (self.outside, outside)):
            total = float(weights.sum())
            if total > 1:
                sums += weight * histogram(codes, weights, COLOUR_SHAPE) / total

    def log_odds(self) -> Floats:
        """For every colour code, flat."""
        return log_odds(self.inside, self.outside).ravel()
