"""The frame and overlapping squares of it, and how the boxes found in them become one list."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from alref_agent.types import Floats

Ints = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]


Layout = Literal["whole", "centre", "squares", "fine"]
"""How finely a frame is cut in tiles."""


@dataclass(frozen=True)
class Tile:
    """A rectangle of the frame, in pixels; the right and lower edges are outside it."""

    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True, eq=False)
class Found:
    """What the network saw, in pixels of the whole frame, best first."""

    boxes: Floats
    """`(N, 4)` float32, xyxy."""
    scores: Floats
    """`(N,)` float32 in [0, 1]."""
    classes: Ints
    """`(N,)` int32: COCO ids."""

    def of(self, keep: npt.NDArray[np.intp] | Bools) -> Found:
        """Some of them, in the order given."""
        return Found(self.boxes[keep], self.scores[keep], self.classes[keep])


def tiles(height: int, width: int, layout: Layout = "squares") -> tuple[Tile, ...]:
    """The whole frame, then squares of it, row by row.

    Args:
        height: Of the frame, in pixels.
        width: Of the frame, in pixels.
        layout: `whole`: the whole frame only; `centre`: and the square of its short side in the
            middle; `squares`: and such squares, overlapping, all along it; `fine`: and squares of
            0.6 of that side.
    """
    found = [Tile(0, 0, width, height)]
    side = min(height, width)
    # A nearly square frame gives squares that see nothing new.
    if layout != "whole" and max(height, width) >= 1.2 * side:
        squares = _squares(height, width, side)
        x, y = (width - side) // 2, (height - side) // 2
        found += [Tile(x, y, x + side, y + side)] if layout == "centre" else squares
    if layout == "fine":
        found += _squares(height, width, max(1, round(0.6 * side)))
    return tuple(found)


def _squares(height: int, width: int, side: int) -> list[Tile]:
    return [
        Tile(x, y, x + side, y + side) for y in _starts(height, side) for x in _starts(width, side)
    ]


def _starts(length: int, side: int) -> list[int]:
    """Where squares begin that cover a length, each sharing half or more with its neighbour.

    There are at most eight: a strip of a panorama may be seen in the whole frame only.
    """
    steps = min(7, math.ceil((length - side) / (side * 0.5)))
    return [round(k * (length - side) / max(steps, 1)) for k in range(steps + 1)]


def cut(boxes: Floats, tile: Tile, height: int, width: int, margin: float = 0.02) -> Bools:
    """Which boxes touch an edge of their tile that is no edge of the frame: cut objects.

    Args:
        boxes: `(N, 4)`, xyxy in pixels of the frame.
        tile: Where they were found.
        height: Of the frame, in pixels.
        width: Of the frame, in pixels.
        margin: How near counts as touching, as a share of the tile's side.
    """
    near_x, near_y = margin * (tile.x1 - tile.x0), margin * (tile.y1 - tile.y0)
    x0, y0, x1, y1 = boxes.T
    touched: Bools = (
        ((x0 < tile.x0 + near_x) & (tile.x0 > 0))
        | ((y0 < tile.y0 + near_y) & (tile.y0 > 0))
        | ((x1 > tile.x1 - near_x) & (tile.x1 < width))
        | ((y1 > tile.y1 - near_y) & (tile.y1 < height))
    )
    return touched


def overlaps(boxes: Floats, box: Floats) -> tuple[Floats, Floats]:
    """Of each box with one other: intersection over union, and over the smaller of the two.

    Args:
        boxes: `(N, 4)`, xyxy.
        box: `(4,)`, xyxy.

    Returns:
        `(N,)` float32 and `(N,)` float32, in [0, 1].
    """
    low = np.maximum(boxes[:, :2], box[:2])
    high = np.minimum(boxes[:, 2:], box[2:])
    inter = np.prod(np.maximum(high - low, 0), axis=1)
    sizes = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    size = float(np.prod(box[2:] - box[:2]))
    union = np.maximum(sizes + size - inter, 1e-6)
    smaller = np.maximum(np.minimum(sizes, size), 1e-6)
    return (inter / union).astype(np.float32), (inter / smaller).astype(np.float32)


def fuse(found: Found, threshold: float = 0.6) -> Found:
    """The boxes of all tiles as one list: each class's duplicates become one box.

    Args:
        found: Boxes of all tiles, in any order.
        threshold: The least IoU of duplicates.

    Returns:
        Best first; a box that was seen in several tiles lies between its sightings, weighted by
        the squares of their scores, and has the best one's score.
    """
    kept = suppress(found.boxes, found.scores, found.classes, threshold)
    boxes = found.boxes[kept]
    for row, i in enumerate(kept):
        iou, _ = overlaps(found.boxes, found.boxes[i])
        same = (iou > threshold) & (found.classes == found.classes[i])
        weights = found.scores[same] ** 2
        if len(weights) > 1:
            boxes[row] = (found.boxes[same] * weights[:, None]).sum(axis=0) / weights.sum()
    return Found(boxes, found.scores[kept], found.classes[kept])


def suppress(
    boxes: Floats,
    scores: Floats,
    groups: Ints,
    threshold: float,
    limit: int | None = None,
) -> npt.NDArray[np.intp]:
    """Non-maximum suppression within each group, by score.

    Args:
        boxes: `(N, 4)`, xyxy.
        scores: `(N,)`.
        groups: `(N,)`: only boxes of one group suppress one another.
        threshold: Boxes that overlap a better one by more than this IoU go.
        limit: At most this many are kept; None: no limit.

    Returns:
        Indices of those kept, best first; ties keep their order.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[np.intp] = []
    while len(order) and (limit is None or len(kept) < limit):
        best, order = order[0], order[1:]
        kept.append(best)
        iou, _ = overlaps(boxes[order], boxes[best])
        order = order[(iou <= threshold) | (groups[order] != groups[best])]
    return np.array(kept, dtype=np.intp)
