"""How surely each pixel near an object's box is the object's, on one frame.

Three kinds of evidence, as log-odds: where a pixel lies in the box, how it moves against the
camera, and its colour. What the object looks like is not known beforehand; it is estimated from the
box, where object and background mix, and from a ring around the box, which is background only:
what the ring explains of the box is taken off, and the rest is the object's. The estimate is
repeated with the belief so gained in place of the box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from alref_agent.tools.motion import FlowField
from alref_agent.tools.segmentation.appearance import (
    COLOUR_SHAPE,
    MOTION_SHAPE,
    Codes,
    colour_codes,
    histogram,
    log_odds,
    motion_codes,
)
from alref_agent.types import Floats, Frame, Mask

CERTAIN = 6.0
"""Bound of all log-odds."""
_GROW = 0.5
"""Width of the ring around a box, in longer sides of the box."""
_LEAST_NOISE = 0.15
"""Optical flow is never better than this, in pixels."""
_BIAS=-0.7
_MIX=0.9
_KNOWN=0.7
_WM=1.5
_WH=0.5
_WC=1.0
_LO=-1.3
_HI=1.0
_FGS=(150.0,8.0)
_IT=2
_THR=0.5


@dataclass(frozen=True)
class Window:
    """The part of a frame around a box within which an object is looked for."""

    y0: int
    y1: int
    x0: int
    x1: int

    @classmethod
    def around(cls, box: Floats, size: tuple[int, int]) -> Window:
        """The box and its ring, inside a frame of `size`, `(h, w)`; at least two pixels a side."""
        h, w = size
        x0, y0, x1, y1 = (float(v) for v in box)
        grow = _GROW * max(x1 - x0, y1 - y0, 4.0)
        top = min(max(int(y0 - grow), 0), max(h - 2, 0))
        left = min(max(int(x0 - grow), 0), max(w - 2, 0))
        bottom = min(max(int(np.ceil(y1 + grow)), top + 2), h)
        right = min(max(int(np.ceil(x1 + grow)), left + 2), w)
        return cls(top, bottom, left, right)

    @property
    def slices(self) -> tuple[slice, slice]:
        """For indexing a field of the whole frame."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    @property
    def size(self) -> tuple[int, int]:
        """`(h, w)`."""
        return self.y1 - self.y0, self.x1 - self.x0

    def local(self, box: Floats) -> Floats:
        """The box in the window's own pixels."""
        return box - np.array([self.x0, self.y0, self.x0, self.y0], np.float32)


def box_prior(box: Floats, size: tuple[int, int]) -> Floats:
    """`(h, w)` float32: log-odds of a pixel being the object's, from where it lies in its box.

    Objects fill the middle of their boxes, rarely the corners, and boxes of detectors are a few
    percent off: rising inwards from the middle of an edge, falling fast outwards.
    """
    d = _distance(box, size)
    return np.asarray(
        np.where(d < 1, np.minimum(3 * (1 - d), 1.2), np.maximum(-12 * (d - 1), -5)) + _BIAS,
        np.float32,
    )


def _distance(box: Floats, size: tuple[int, int]) -> Floats:
    """0 in the middle of the box, 1 in the middle of an edge, 1.26 in a corner."""
    h, w = size
    half_w, half_h = max(box[2] - box[0], 2) / 2, max(box[3] - box[1], 2) / 2
    x = np.abs(np.arange(w, dtype=np.float32) + 0.5 - (box[0] + box[2]) / 2) / half_w
    y = np.abs(np.arange(h, dtype=np.float32) + 0.5 - (box[1] + box[3]) / 2) / half_h
    return np.asarray(np.cbrt(x[None, :] ** 3 + y[:, None] ** 3), np.float32)


def ring(box: Floats, size: tuple[int, int]) -> Mask:
    """`(h, w)` bool: outside the box, with a margin for boxes that are a little small."""
    h, w = size
    margin = 0.06 * (box[2:] - box[:2])
    x0, y0 = np.floor(box[:2] - margin).astype(int)
    x1, y1 = np.ceil(box[2:] + margin).astype(int)
    mask = np.ones((h, w), np.bool_)
    mask[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = False
    return mask


def believe(
    picture: Frame,
    box: Floats,
    prior: Floats,
    against: Sequence[FlowField],
    known: Floats | None = None,
    start: Floats | None = None,
) -> Floats:
    """Log-odds of each pixel of a window being the object's.

    Args:
        picture: `(h, w, 3)`, the window of the frame.
        box: `(4,)` in pixels of the window.
        prior: `(h, w)`: log-odds from place alone.
        against: Movements against the camera, each `(h, w, 2)`, towards one neighbouring frame.
        known: Log-odds of colour codes from the whole video, flat.
        start: `(h, w)` in [0, 1]: an earlier belief.

    Returns:
        `(h, w)` float32, smooth where the picture is.
    """
    size = prior.shape
    around = ring(box, size).astype(np.float32)
    inside = (_sigmoid(prior - _BIAS) * (prior > -3 + _BIAS)).astype(np.float32)
    colours = colour_codes(picture)
    moves = [_Moves.of(field, around > 0) for field in against]
    belief = start
    logit = prior
    for _ in range(_IT):
        if belief is None:
            weights, rest, core = inside, around, inside * (inside > 0.6)
            mixed = _MIX
        else:
            near = (around > 0) | (prior > -3 + _BIAS)
            weights, rest = belief * near, (1 - belief) * near
            core = belief * (belief > 0.5)
            mixed = _MIX/2
        odds = _odds(colours, weights, rest, COLOUR_SHAPE, mixed)
        if known is not None:
            odds = (1-_KNOWN) * odds + _KNOWN * known
        logit = prior + _WC*odds[colours]
        if moves:
            # What moves in one direction of time only has been uncovered, not moved.
            logit += _WM * np.min([m.lively(core) for m in moves], axis=0)
            logit += _WH * np.mean([m.unlike(weights, rest, mixed) for m in moves], axis=0)
        logit = smooth(picture, np.clip(logit, -CERTAIN, CERTAIN))
        belief = _sigmoid(logit)
    return logit


def smooth(picture: Frame, field: Floats) -> Floats:
    """The field, smoothed along the picture but not across its edges."""
    if min(field.shape) < 2:
        return np.asarray(field, np.float32)
    return np.asarray(
        cv2.ximgproc.fastGlobalSmootherFilter(picture, field.astype(np.float32), *_FGS),
        np.float32,
    )


@dataclass(frozen=True, eq=False)
class _Moves:
    """How pixels move against the camera, towards one neighbouring frame."""

    speed: Floats
    codes: Codes
    noise: float
    """What the ring seems to move by."""

    @classmethod
    def of(cls, against: FlowField, around: Mask) -> _Moves:
        speed = np.asarray(np.linalg.norm(against, axis=2), np.float32)
        unit, noise = 0.5, 0.5
        if around.any():
            unit = float(np.median(np.abs(against[around])))
            noise = float(np.quantile(speed[around], 0.7))
        codes = motion_codes(against, max(unit, _LEAST_NOISE))
        return cls(speed, codes, max(noise, _LEAST_NOISE))

    def lively(self, core: Floats) -> Floats:
        """Positive where a pixel moves like the object, negative where it rests.

        Optical flow is blurred across outlines, so the border is drawn at half the object's
        speed. Where the ring moves as much as the object, speed says nothing.
        """
        sure = core > 0
        if not sure.any():
            return np.zeros_like(self.speed)
        typical = _weighted_quantile(self.speed[sure], core[sure], 0.55)
        trust = min(max((typical / self.noise - 1) / 3, 0.0), 1.0)
        ratio = self.speed / max(typical*_THR, 1e-3) - 1
        return np.asarray(trust * np.clip(2 * ratio, _LO, _HI), np.float32)

    def unlike(self, weights: Floats, rest: Floats, mixed: float) -> Floats:
        """Positive where a pixel moves as those of the object do and those around it do not."""
        return _odds(self.codes, weights, rest, MOTION_SHAPE, mixed)[self.codes]


def _odds(
    codes: Codes, weights: Floats, rest: Floats, shape: tuple[int, ...], mixed: float
) -> Floats:
    """Log-odds of each code, flat, when a share of the weighted pixels is background too."""
    inside, outside = histogram(codes, weights, shape), histogram(codes, rest, shape)
    inside = inside / max(float(inside.sum()), 1e-6)
    outside = outside / max(float(outside.sum()), 1e-6)
    return log_odds(np.maximum(inside - np.float32(mixed) * outside, 0), outside).ravel()


def _weighted_quantile(values: Floats, weights: Floats, share: float) -> float:
    order = np.argsort(values)
    summed = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(summed, share * summed[-1])])


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)), np.float32)
