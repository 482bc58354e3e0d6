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
"""Bound of the log-odds of place: what is fixed by a prompt has them."""
_BOUND = 4.0
"""Bound of the sum before it is smoothed, so that sure background does not drown thin parts."""
_INSIDE = -0.6
"""Log-odds in the middle of an edge of the box: objects fill less than half of their boxes' rim."""
_STEEP = 12.0
"""How fast place gets unlikely beyond the box, per half a box."""
_MIXED = 0.9
"""Share of the box's pixels that may be background; when there is a belief already, half of it."""
_KNOWN = 0.7
"""Weight of the video's colours, the rest is the frame's own."""
_SPEED, _DIRECTION = 1.5, 0.5
"""Weights of the two kinds of evidence from motion."""
_STILL, _LIVELY = -1.3, 1.0
"""Bounds of the evidence from speed. Parts of an object may rest, and water may move with it."""
_SMOOTHNESS, _EDGE = 200.0, 4.0
"""Of the filter: strength, and the contrast in grey levels that stops it."""
_GROW = 0.5
"""Width of the ring around a box, in longer sides of the box."""
_LEAST_NOISE = 0.15
"""Optical flow is never better than this, in pixels."""


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
    h, w = size
    half_w, half_h = max(box[2] - box[0], 2) / 2, max(box[3] - box[1], 2) / 2
    x = np.abs(np.arange(w, dtype=np.float32) + 0.5 - (box[0] + box[2]) / 2)[None, :] / half_w
    y = np.abs(np.arange(h, dtype=np.float32) + 0.5 - (box[1] + box[3]) / 2)[:, None] / half_h
    # 0 in the middle of the box, 1 in the middle of an edge, 1.26 in a corner.
    inwards = 3 * (1 - np.cbrt(x**3 + y**3))
    beyond = np.maximum(np.maximum(x, y) - 1, 0)
    prior = np.clip(inwards, -1, 1.2) - _STEEP * beyond + _INSIDE
    return np.asarray(np.maximum(prior, -CERTAIN), np.float32)


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
) -> Floats:
    """Log-odds of each pixel of a window being the object's.

    Args:
        picture: `(h, w, 3)`, the window of the frame.
        box: `(4,)` in pixels of the window.
        prior: `(h, w)`: log-odds from place alone.
        against: Movements against the camera, each `(h, w, 2)`, towards one neighbouring frame.
        known: Log-odds of colour codes from the whole video, flat.

    Returns:
        `(h, w)` float32, smooth where the picture is.
    """
    around = ring(box, (prior.shape[0], prior.shape[1])).astype(np.float32)
    possible = prior > _INSIDE - 3
    colours = colour_codes(picture)
    moves = [_Moves.of(field, around > 0) for field in against]
    weights = np.where(possible, _sigmoid(prior - _INSIDE), 0).astype(np.float32)
    core = np.where(weights > 0.6, weights, 0).astype(np.float32)
    rest, mixed = around, _MIXED
    logit = prior
    for _ in range(2):
        odds = _odds(colours, weights, rest, COLOUR_SHAPE, mixed)
        if known is not None:
            odds = (1 - _KNOWN) * odds + _KNOWN * known
        logit = prior + odds[colours]
        if moves:
            # What moves towards one neighbour only has been uncovered, or lies on an outline.
            logit += _SPEED * np.min([m.lively(core) for m in moves], axis=0)
            unlike = [m.unlike(weights, rest, mixed) for m in moves]
            logit += _DIRECTION * np.mean(unlike, axis=0)
        logit = smooth(picture, np.clip(logit, -_BOUND, _BOUND))
        belief = _sigmoid(logit)
        near = (around > 0) | possible
        weights = np.where(near, belief, 0).astype(np.float32)
        rest = np.where(near, 1 - belief, 0).astype(np.float32)
        core = np.where(belief > 0.5, belief, 0).astype(np.float32)
        mixed = _MIXED / 2
    return logit


def smooth(picture: Frame, field: Floats) -> Floats:
    """The field, smoothed along the picture but not across its edges."""
    if min(field.shape) < 2:
        return np.asarray(field, np.float32)
    return np.asarray(
        cv2.ximgproc.fastGlobalSmootherFilter(
            picture, field.astype(np.float32), _SMOOTHNESS, _EDGE
        ),
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
        ratio = 2 * self.speed / max(typical, 1e-3) - 1
        return np.asarray(trust * np.clip(2 * ratio, _STILL, _LIVELY), np.float32)

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
