"""Candidate boxes with numbered labels, drawn on a picture that is already as large as it is shown.

Lines lie around what they enclose, and side by side where boxes coincide. Labels hide neither one
another nor what they must not; they stand outside their box where there is room.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from alref_agent.media.palette import colour
from alref_agent.media.text import paste, plate
from alref_agent.types import Floats, Frame

Rect: TypeAlias = tuple[int, int, int, int]
"""xyxy in whole pixels, right and bottom exclusive."""

Rects: TypeAlias = npt.NDArray[np.int64]
"""`(M, 4)` of the same."""

_LEAST_TAG = 6
"""Height of a label's digits in pixels under which they are no digits."""


def outlines(boxes: Floats, area: Rect, line: int) -> list[Rect]:
    """Where boxes are drawn: the outer edges of their lines, no two on top of each other.

    Args:
        boxes: `(N, 4)` float32, xyxy in the pixels of the canvas; what is outside `area` is cut.
        area: Which part of the canvas is the picture.
        line: Width of the lines in pixels.
    """
    least = 3 * line + 4
    drawn: list[Rect | None] = [None] * len(boxes)
    rects = [_around(box, area, line, least) for box in boxes]
    # The large ones keep their place: moving them moves them by less of their size.
    for number in sorted(range(len(rects)), key=lambda n: -_size(rects[n])):
        others = [rect for rect in drawn if rect]
        drawn[number] = _apart(rects[number], others, area, line, least)
    return [rect for rect in drawn if rect]


def draw_lines(canvas: Frame, rects: Sequence[Rect], line: int) -> None:
    """Draw the outlines of boxes 1, 2, … in their colours, in place."""
    order = sorted(range(len(rects)), key=lambda n: -_size(rects[n]))
    # All rims before all lines, so that no rim cuts a line; without a rim, green is lost on grass.
    for number in order:
        _frame(canvas, rects[number], line, (0, 0, 0), 1)
    for number in order:
        _frame(canvas, rects[number], line, colour(number), 0)


def draw_labels(
    canvas: Frame, rects: Sequence[Rect], line: int, tag: int, keep: Sequence[Rect]
) -> list[Rect]:
    """Draw the labels of boxes 1, 2, … in place.

    Args:
        canvas: RGB, `(H, W, 3)` uint8, contiguous: the picture and any margins that labels may use.
        rects: The boxes' outlines.
        line: Width of their lines in pixels.
        tag: Height of a label's digits in pixels; less where there is no room.
        keep: What labels must not hide.

    Returns:
        Where the labels stand.
    """
    while True:
        plates = [plate(number, tag, colour(number - 1)) for number in range(1, len(rects) + 1)]
        sizes = [(p.shape[1], p.shape[0]) for p in plates]
        spots = _spots(canvas.shape[:2], rects, line, sizes, keep, tag <= _LEAST_TAG)
        if spots is not None:
            break
        tag = max(_LEAST_TAG, tag * 7 // 8)
    for number, (spot, rect) in enumerate(zip(spots, rects, strict=True)):
        _lead(canvas, spot, rect, max(2, line - 1), colour(number))
    for spot, picture in zip(spots, plates, strict=True):
        paste(canvas, picture, spot[0], spot[1])
    return spots


def _size(rect: Rect) -> int:
    return (rect[2] - rect[0]) * (rect[3] - rect[1])


def _around(box: Floats, area: Rect, line: int, least: int) -> Rect:
    """A box, its lines outside it, cut to the picture, and large enough to see through."""
    low, high = [0, 0], [0, 0]
    for axis in (0, 1):
        first, last = area[axis], area[axis + 2]
        a, b = (float(np.clip(np.nan_to_num(box[axis + i]), first, last)) for i in (0, 2))
        start, end = round(min(a, b)) - line, round(max(a, b)) + line
        more = max(0, least - (end - start))
        start, end = start - more // 2, end + more - more // 2
        start = min(max(start, first), max(last - least, first))
        low[axis], high[axis] = start, max(min(end, last), min(start + least, last))
    return low[0], low[1], high[0], high[1]


def _apart(rect: Rect, others: Sequence[Rect], area: Rect, line: int, least: int) -> Rect:
    """Move sides that would lie on those of other boxes: inwards, or outwards in small boxes."""
    step = line + 2
    sides = list(rect)
    for side in (0, 1, 2, 3):
        axis, inward = side % 2, 1 if side < 2 else -1
        inner = max(0, (rect[axis + 2] - rect[axis] - least) // 2) // step
        border = abs(area[side] - rect[side]) // step
        moves = [*range(inner + 1), *range(-1, -border - 1, -1)]
        places = [rect[side] + inward * step * move for move in moves]
        # The outer edges that lines in the same place would have on this side.
        wider = 0 if side < 2 else line
        beside = [other for other in others if _alongside(rect, other, 1 - axis)]
        taken = [edge + wider for o in beside for edge in (o[axis], o[axis + 2] - line)]
        free = [at for at in places if all(abs(at - edge) >= step for edge in taken)]
        sides[side] = free[0] if free else rect[side]
    return sides[0], sides[1], sides[2], sides[3]


def _alongside(rect: Rect, other: Rect, axis: int) -> bool:
    """Whether sides run along each other for a fifth of the shorter one."""
    shared = min(rect[axis + 2], other[axis + 2]) - max(rect[axis], other[axis])
    shorter = min(rect[axis + 2] - rect[axis], other[axis + 2] - other[axis])
    return shared * 5 > shorter


def _frame(canvas: Frame, rect: Rect, line: int, ink: tuple[int, int, int], rim: int) -> None:
    """The four lines of a box; a rim makes each wider on both sides."""
    for x0, y0, x1, y1 in _bands(rect, line):
        canvas[max(y0 - rim, 0) : y1 + rim, max(x0 - rim, 0) : x1 + rim] = ink


def _bands(rect: Rect, line: int) -> list[Rect]:
    x0, y0, x1, y1 = rect
    return [
        (x0, y0, x1, y0 + line),
        (x0, y1 - line, x1, y1),
        (x0, y0, x0 + line, y1),
        (x1 - line, y0, x1, y1),
    ]


def _spots(
    canvas: tuple[int, int],
    rects: Sequence[Rect],
    line: int,
    sizes: Sequence[tuple[int, int]],
    keep: Sequence[Rect],
    forced: bool,
) -> list[Rect] | None:
    """Where the labels stand; None: not all of them have room, unless `forced`."""
    height, width = canvas
    taken = list(keep)
    spots: list[Rect] = [(0, 0, 0, 0)] * len(rects)
    # Small boxes have few places near them.
    for number in sorted(range(len(rects)), key=lambda n: _size(rects[n])):
        wide, tall = sizes[number]
        if not forced and (wide > width or tall > height):
            return None
        places = _places(rects[number], (wide, tall), (width, height))
        hidden = _shared(places, taken).sum(axis=1) / (wide * tall)
        if not forced and not (hidden == 0).any():
            return None
        cost = 1000 * hidden + _cost(places, rects, number, line, tall)
        x0, y0, x1, y1 = (int(v) for v in places[int(np.argmin(cost))])
        spots[number] = x0, y0, x1, y1
        taken.append(spots[number])
    return spots


def _places(rect: Rect, size: tuple[int, int], canvas: tuple[int, int]) -> Rects:
    """`(M, 4)` xyxy: along the box, outside and inside it, then anywhere; all on the canvas."""
    (wide, tall), (x0, y0, x1, y1) = size, rect
    step = max(3, tall // 3)
    along = [x0, *range(x0, x1 - wide, step), x1 - wide]
    beside = [y0, *range(y0, y1 - tall, step), y1 - tall]
    near = [(x, y) for y in (y0 - tall, y1, y0, y1 - tall) for x in along]
    near += [(x, y) for x in (x0 - wide, x1, x0, x1 - wide) for y in beside]
    anywhere = np.stack(
        np.meshgrid(np.arange(0, canvas[0], step), np.arange(0, canvas[1], step)), axis=-1
    ).reshape(-1, 2)
    corner = np.concatenate([np.array(near, np.int64).reshape(-1, 2), anywhere])
    most = np.maximum(np.array(canvas) - size, 0)
    corner = np.clip(corner, 0, most)
    return np.concatenate([corner, corner + np.array(size)], axis=1)


def _shared(places: Rects, rects: Sequence[Rect]) -> Floats:
    """`(M, N)` pixels that each place has in common with each rectangle."""
    others = np.array(rects, np.int64).reshape(-1, 4)
    sides = [
        np.minimum(places[:, None, axis + 2], others[None, :, axis + 2])
        - np.maximum(places[:, None, axis], others[None, :, axis])
        for axis in (0, 1)
    ]
    shared: Floats = (np.maximum(sides[0], 0) * np.maximum(sides[1], 0)).astype(np.float32)
    return shared


def _cost(places: Rects, rects: Sequence[Rect], number: int, line: int, tall: int) -> Floats:
    """`(M,)`: how bad each place is for the label of box `number`; 0 is just outside of it."""
    rect = rects[number]
    plate_size = np.float32(_size(tuple(places[0])))
    sizes = np.array([_size(other) for other in rects], np.float32)
    inside = _shared(places, rects)
    bands = [band for other in rects for band in _bands(other, line)]
    lines = _shared(places, bands).reshape(len(places), len(rects), 4).sum(axis=2) / plate_size
    # What is small is hidden by a label, what is large is not.
    hides = inside / plate_size * 0.2 + 2 * inside / sizes
    hides[:, number] *= 2
    low, high = places[:, :2], places[:, 2:]
    first, last = np.array(rect[:2]), np.array(rect[2:])
    gap = np.linalg.norm(np.maximum(np.maximum(low - last, first - high), 0), axis=1) / tall
    within = np.clip(np.minimum(low - first, last - high).min(axis=1) - line, 0, None) / tall
    # A label that touches its box is easier to read than one with a line to it.
    far = 0.8 * gap + 0.6 * (gap > 0.2) + 0.3 * np.minimum(within, 2)
    # Between equals: upper left.
    corner = np.abs(places[:, 0] - rect[0]) + np.abs(places[:, 3] - rect[1])
    cost: Floats = hides.sum(axis=1) + 2 * lines.sum(axis=1) + far + 0.002 * corner / tall
    return cost


def _lead(canvas: Frame, spot: Rect, rect: Rect, line: int, ink: tuple[int, int, int]) -> None:
    """A line from a label to its box, where they do not touch."""
    ends: list[tuple[int, int]] = []
    for axis in (0, 1):
        if spot[axis] >= rect[axis + 2]:
            ends.append((spot[axis] + 1, rect[axis + 2] - 1))
        elif spot[axis + 2] <= rect[axis]:
            ends.append((spot[axis + 2] - 1, rect[axis]))
        else:
            middle = (max(spot[axis], rect[axis]) + min(spot[axis + 2], rect[axis + 2])) // 2
            ends.append((middle, middle))
    (x0, x1), (y0, y1) = ends
    inside = spot[0] > rect[0] and spot[2] < rect[2] and spot[1] > rect[1] and spot[3] < rect[3]
    if inside or max(abs(x1 - x0), abs(y1 - y0)) <= line + 2:
        return
    cv2.line(canvas, (x0, y0), (x1, y1), (0, 0, 0), line + 2)
    cv2.line(canvas, (x0, y0), (x1, y1), ink, line)
