"""Where a box is among the candidates of one target: factors for `left`, `largest`, `second`.

All of them compare candidates of one frame, so a factor never tells two frames apart. The best
candidate always keeps its score; the worst keeps `LEAST` of it.
"""

from __future__ import annotations

import numpy as np

from alref_agent.tools.detection.query import Phrase, Place, Size
from alref_agent.tools.detection.tiles import Bools, overlaps
from alref_agent.types import Floats

LEAST = 0.4
"""What a box keeps of its score that fits a place, size or order worst: words may be wrong."""
STRONG = 0.4
"""Boxes with this share of the best score are taken for real when they are counted or ranked."""
TOUCHING = 0.3
"""What a box loses that touches none of the things that it is said to be with."""


def factor(phrase: Phrase, boxes: Floats, scores: Floats, height: int, width: int) -> Floats:
    """What place, size and order words make of the candidates' scores.

    Args:
        phrase: What is said of the thing.
        boxes: `(N, 4)`, xyxy in pixels: the candidates of one target on one frame.
        scores: `(N,)` their scores so far.
        height: Of the frame, in pixels.
        width: Of the frame, in pixels.

    Returns:
        `(N,)` float32 in [LEAST, 1].
    """
    total = np.ones(len(boxes), np.float32)
    if len(boxes) < 2:
        return total
    strong = scores >= STRONG * scores.max()
    for place in dict.fromkeys(phrase.places):
        total *= _scaled(_along(place, boxes, height, width), strong)
    if phrase.size is not None:
        total *= _sized(phrase.size, boxes, strong)
    if phrase.ordinal is not None:
        total *= _ranked(*phrase.ordinal, boxes, strong)
    return np.maximum(total, LEAST).astype(np.float32)


def nearness(boxes: Floats, others: Floats, scores: Floats) -> Floats:
    """What it is worth to touch a thing that the words relate to: `riding a bike`.

    Args:
        boxes: `(N, 4)`, xyxy: the candidates.
        others: `(M, 4)`, xyxy: where such things were seen.
        scores: `(M,)` how surely, in [0, 1].

    Returns:
        `(N,)` float32 in [1 - TOUCHING, 1]; all 1 where no such thing was seen.
    """
    if not len(others):
        return np.ones(len(boxes), np.float32)
    touch = np.zeros(len(boxes), np.float32)
    for other, score in zip(others, scores, strict=True):
        _, shared = overlaps(boxes, other)
        touch = np.maximum(touch, score * np.minimum(shared / 0.2, 1))
    # Relative to the surest thing seen: the words lose nothing when the network is unsure.
    return (1 - TOUCHING + TOUCHING * touch / float(scores.max())).astype(np.float32)


def _along(place: Place, boxes: Floats, height: int, width: int) -> Floats:
    """How far each box is towards a place; only differences count."""
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2 / width, (boxes[:, 1] + boxes[:, 3]) / 2 / height
    if place in ("front", "back"):
        # What is near stands lower in the picture and is bigger.
        sizes = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) / (height * width))
        near = np.asarray(boxes[:, 3] / height + sizes, np.float32)
        return near if place == "front" else -near
    if place == "middle":
        return np.asarray(-np.hypot(x - 0.5, y - 0.5), np.float32)
    return np.asarray({"left": -x, "right": x, "top": -y, "bottom": y}[place], np.float32)


def _scaled(along: Floats, strong: Bools) -> Floats:
    """`LEAST` for the strong box that is least along, 1 for the one that is most."""
    low, high = float(along[strong].min()), float(along[strong].max())
    # Boxes at nearly one place are one object seen twice, or a tie.
    if high - low < 0.02:
        return np.ones(len(along), np.float32)
    share = np.clip((along - low) / (high - low), 0, 1)
    return np.asarray(LEAST + (1 - LEAST) * share, np.float32)


def _sized(size: Size, boxes: Floats, strong: Bools) -> Floats:
    areas = np.maximum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), 1)
    if size in ("large", "largest"):
        share = areas / areas[strong].max()
    else:
        share = areas[strong].min() / areas
    # `the big dog` may be the only dog; `the biggest dog` compares.
    least = LEAST if size.endswith("est") else (1 + LEAST) / 2
    return np.asarray(least + (1 - least) * np.clip(share, 0, 1), np.float32)


def _ranked(number: int, side: Place, boxes: Floats, strong: Bools) -> Floats:
    """1 for the strong box at that position from the side, less for those further off."""
    x = (boxes[:, 0] + boxes[:, 2]) / 2
    x = -x if side == "right" else x
    order = np.flatnonzero(strong)[np.argsort(x[strong], kind="stable")]
    wanted = order[-1] if number == -1 or number > len(order) else order[number - 1]
    ranks = np.searchsorted(np.sort(x[strong]), x)
    away = np.abs(ranks - ranks[wanted])
    return np.where(strong, np.maximum(0.5**away, LEAST), LEAST).astype(np.float32)
