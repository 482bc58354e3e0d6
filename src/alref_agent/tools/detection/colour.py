"""How much of a colour a box holds: pixels -> agreement with colour words.

Pixels are named in HSV, where shade moves mostly the value; the value is taken relative to the
brightest pixels of the frame, so that white in a dim picture is white still. Every colour is soft:
a pixel between red and orange is half of each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from alref_agent.types import Floats, Frame

SIDE = 32
"""Boxes are looked at as `SIDE` x `SIDE` pixels: enough for a share, and cheap."""
ENOUGH = 0.25
"""The share of a box that is all that a colour can be asked for: a shirt is no more of a man."""

Span = tuple[float, float]
_ANY: Span = (0.0, 1.0)

_RANGES: Mapping[str, Sequence[tuple[Span, Span, Span]]] = {
    # Hue in degrees (may pass 360), saturation, value; where several are given, the best counts.
    "red": [((343, 372), (0.42, 1), (0.2, 1))],
    "orange": [((12, 38), (0.55, 1), (0.5, 1))],
    "yellow": [((38, 66), (0.4, 1), (0.45, 1))],
    "golden": [((22, 58), (0.25, 1), (0.35, 1))],
    "green": [((66, 165), (0.2, 1), (0.15, 1))],
    "cyan": [((165, 200), (0.25, 1), (0.3, 1))],
    "blue": [((195, 258), (0.25, 1), (0.15, 1))],
    "purple": [((258, 305), (0.2, 1), (0.15, 1))],
    "pink": [((300, 345), (0.25, 1), (0.4, 1)), ((335, 375), (0.15, 0.5), (0.65, 1))],
    "brown": [((8, 42), (0.25, 0.85), (0.15, 0.6))],
    "white": [((0, 360), (0, 0.2), (0.72, 1))],
    "gray": [((0, 360), (0, 0.18), (0.35, 0.8))],
    "black": [((0, 360), _ANY, (0, 0.28)), ((0, 360), (0, 0.35), (0, 0.42))],
}
_SHADE: Mapping[str, Span] = {"light": (0.6, 1.0), "dark": (0.0, 0.45)}


def agreement(frame: Frame, boxes: Floats, colours: Sequence[str]) -> Floats:
    """How well each box agrees with colour words.

    Args:
        frame: RGB uint8 `(H, W, 3)`.
        boxes: `(N, 4)`, xyxy in pixels inside the frame.
        colours: Names as `colour_words` gives them: `red`, `dark blue`, `light`. A box should hold
            all of them.

    Returns:
        `(N,)` float32 in [0, 1]; 1 where every colour fills its part of the box.
    """
    if not len(boxes) or not colours:
        return np.ones(len(boxes), np.float32)
    bright = brightness(frame)
    # Of two colours, each can be asked for half as much.
    enough = ENOUGH / len(set(colours))
    rows = []
    for box in boxes:
        shares = [_share(_patch(frame, box), colour, bright) for colour in dict.fromkeys(colours)]
        rows.append(float(np.mean([min(1.0, share / enough) for share in shares])))
    return np.array(rows, np.float32)


def brightness(frame: Frame) -> float:
    """The value of the brightest pixels of a frame, in [0.5, 1]."""
    sample = frame[::8, ::8].max(axis=2)
    return max(0.5, float(np.percentile(sample, 98)) / 255)


def share(frame: Frame, box: Floats, colour: str) -> float:
    """The share of a box, weighted to its centre, that has a colour.

    Args:
        frame: RGB uint8 `(H, W, 3)`.
        box: `(4,)`, xyxy in pixels.
        colour: `red`, `dark blue`, `light` and so on.
    """
    return _share(_patch(frame, box), colour, brightness(frame))


def _patch(frame: Frame, box: Floats) -> Floats:
    """The box's pixels as `(SIDE, SIDE, 3)` hue in degrees, saturation, value in [0, 1]."""
    height, width = frame.shape[:2]
    x0, y0 = max(0, int(box[0])), max(0, int(box[1]))
    x1, y1 = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
    part = frame[min(y0, height - 1) : max(y1, y0 + 1), min(x0, width - 1) : max(x1, x0 + 1)]
    small = cv2.resize(np.ascontiguousarray(part), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    hsv = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    return np.asarray(hsv, np.float32)


def _share(hsv: Floats, colour: str, bright: float) -> float:
    shade, _, name = colour.rpartition(" ")
    if name in _SHADE:
        shade, name = name, ""
    value = np.minimum(hsv[..., 2] / bright, 1)
    fits = np.ones(value.shape, np.float32)
    if name:
        spans = _RANGES[name]
        fits = np.maximum.reduce([_inside(hsv[..., 0], hsv[..., 1], value, s) for s in spans])
    if shade:
        fits = fits * _soft(value, _SHADE[shade], 0.1)
    return float((fits * _CENTRE).sum())


def _inside(
    hue: Floats, saturation: Floats, value: Floats, spans: tuple[Span, Span, Span]
) -> Floats:
    """How well pixels fit in a range of hue, saturation and value, in [0, 1]."""
    (low, high), of_saturation, of_value = spans
    fits = _soft(saturation, of_saturation, 0.08) * _soft(value, of_value, 0.08)
    if high - low < 360:
        # Hue is a circle: measure from the middle of the range.
        middle, half = (low + high) / 2, (high - low) / 2
        away = np.abs((hue - middle + 180) % 360 - 180)
        fits = fits * np.clip((half + 6 - away) / 12, 0, 1)
    return fits.astype(np.float32)


def _soft(values: Floats, span: Span, edge: float) -> Floats:
    """1 inside the span, 0 outside, linear over `edge` at either end that is not 0 or 1."""
    low, high = span
    fits = np.ones(values.shape, np.float32)
    if low > 0:
        fits = fits * np.clip((values - low) / edge + 0.5, 0, 1)
    if high < 1:
        fits = fits * np.clip((high - values) / edge + 0.5, 0, 1)
    return fits.astype(np.float32)


def _centre() -> npt.NDArray[np.float32]:
    """Weights `(SIDE, SIDE)` that sum to 1: a box's corners are mostly background."""
    axis = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    bell = np.exp(-0.5 * (axis / 0.5) ** 2)
    weights = bell[:, None] * bell[None, :]
    return np.asarray(weights / weights.sum(), np.float32)


_CENTRE = _centre()
