"""Reads a contact sheet from its pixels alone, as a model would: number discs, coloured boxes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import combinations
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from alref_agent.media.palette import COLOUR_NAMES, COLOURS
from alref_agent.media.text import disc
from alref_agent.types import Floats, Frame

Rect: TypeAlias = tuple[int, int, int, int]
"""xyxy, right and bottom exclusive."""
Grey: TypeAlias = npt.NDArray[np.uint8]

_HIGHEST = 64
"""The highest number of a frame."""
_SIDE = 40
"""Pixels of the largest template."""
_MATCH = 0.8
"""Correlation with the template from which on something is a disc."""
_NEAR = 80
"""Distance in RGB at which a pixel still has a colour."""
_LEAST_RUN = 7
"""Pixels; longer than most lines are wide, shorter than any box."""
_GAP = 6
"""Pixels; longer than a line with its rims is wide, shorter than any box is empty."""
_MOST_RUNS, _MOST_LINES = 500, 24
"""Of one colour; where there are more, they are texture."""


def find_discs(picture: Frame) -> list[tuple[int, int, int, int]]:
    """Number discs as `(number, x, y, size)`, upper left corner and diameter, by number.

    Args:
        picture: RGB, `(H, W, 3)` uint8; it may have been JPEG.
    """
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
    dark = cv2.threshold(grey, 90, 1, cv2.THRESH_BINARY_INV)[1]
    _, _, stats, _ = cv2.connectedComponentsWithStats(dark, connectivity=4)
    # The black within the white rim is a circle with holes, the digits.
    w, h, area = (stats[1:, column].astype(np.float64) for column in (2, 3, 4))
    filled = area / (w * h)
    likely = (np.minimum(w, h) >= 8) & (np.abs(w - h) <= 2 + 0.06 * w)
    likely &= (filled > 0.25) & (filled < 0.8)
    found = []
    for x, y, wide, high, _ in stats[1:][likely].tolist():
        score, *read = max(_readings(grey, x, y, wide, high), default=(0.0, 0, 0, 0, 0))
        if score > _MATCH:
            found.append((read[0], read[1], read[2], read[3]))
    return sorted(found)


def number_on(picture: Frame, rect: Rect) -> int:
    """The number on the disc that is said to stand at `rect`; always one of 0 to 64."""
    x0, y0, x1, y1 = rect
    grey = np.asarray(cv2.cvtColor(picture[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY), np.uint8)
    return int(_scores(grey).argmax())


def find_boxes(picture: Frame, n_colours: int = 6) -> list[tuple[str, Rect]]:
    """Boxes as `(colour name, xyxy of their outer edges)`, by colour, then from the upper left.

    Args:
        picture: RGB, `(H, W, 3)` uint8; it may have been JPEG.
        n_colours: Only boxes of the first so many colours. Those after the sixth are also found
            where frames show bars in them.
    """
    nearest = _nearest_colours()[_quantised(picture)]
    nearest[nearest >= n_colours] = 255
    across, down = _runs(nearest), _runs(np.ascontiguousarray(nearest.T))
    found = []
    for number, name in enumerate(COLOUR_NAMES[:n_colours]):
        rects = _rectangles(_lines(across.get(number, [])), _lines(down.get(number, [])))
        mask = nearest == number
        boxes = _apart(rect for rect, line in rects if _is_box(picture, mask, rect, line))
        found += [(name, rect) for rect in sorted(boxes, key=lambda r: (r[1], r[0]))]
    return found


def _readings(
    grey: Grey, x: int, y: int, wide: int, high: int
) -> Iterator[tuple[float, int, int, int, int]]:
    """What the disc around a black circle may be: `(score, number, x, y, size)`."""
    guess = round((wide + high) / 2 * 7 / 6)
    # The smaller, the more of it is the rim, and what is neither black nor white.
    for size in range(guess, guess + (3 if guess > 24 else 5)):
        lefts = {x + (wide - size) // 2, x - (size - wide) // 2}
        tops = {y + (high - size) // 2, y - (size - high) // 2}
        for left in sorted(lefts):
            for top in sorted(tops):
                patch = grey[max(top, 0) : top + size, max(left, 0) : left + size]
                if patch.shape == (size, size):
                    scores = _scores(patch)
                    number = int(scores.argmax())
                    yield float(scores[number]), number, left, top, size


@cache
def _templates(size: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Normalised discs, `(65, P)`, and which `P` pixels of a square those are."""
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    inside = np.hypot(rows, columns) < size / 2 - 1
    discs = [disc(n, size)[0][..., 0][inside] for n in range(_HIGHEST + 1)]
    patterns = np.stack(discs).astype(np.float32)
    patterns -= patterns.mean(axis=1, keepdims=True)
    return patterns / np.linalg.norm(patterns, axis=1, keepdims=True), inside


def _scores(patch: Grey) -> Floats:
    """Correlation of a square patch with the discs 0 to 64, `(65,)`."""
    # Drawing templates takes a while; only small discs need some of just their size.
    if len(patch) > _SIDE:
        patch = np.asarray(cv2.resize(patch, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA))
    patterns, inside = _templates(len(patch))
    seen = patch[inside].astype(np.float32)
    seen -= seen.mean()
    scores: Floats = patterns @ seen / max(float(np.linalg.norm(seen)), 1e-6)
    return scores


def _quantised(picture: Frame) -> npt.NDArray[np.uint16]:
    red, green, blue = (picture[..., channel].astype(np.uint16) for channel in range(3))
    return np.asarray((red >> 3) << 10 | (green >> 3) << 5 | blue >> 3, np.uint16)


@cache
def _nearest_colours() -> Grey:
    """Five bits a channel -> number of the colour that it is, or 255 where it is none."""
    index = np.arange(1 << 15)
    rgb = np.stack([index >> 10, index >> 5 & 31, index & 31], axis=1) * 8 + 4
    apart = np.linalg.norm(rgb[:, None, :] - np.array(COLOURS)[None], axis=2)
    nearest = apart.argmin(axis=1).astype(np.uint8)
    nearest[apart.min(axis=1) > _NEAR] = 255
    return np.asarray(nearest, np.uint8)


class _Line:
    """Where a colour runs along a row (or column) of the picture."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last
        """Its rows, `last` exclusive."""
        self.spans: list[tuple[int, int]] = []

    def share(self, start: int, end: int) -> float:
        """How much of `[start, end)` it covers, in [0, 1]."""
        both = [min(b, end) - max(a, start) for a, b in self.spans]
        return sum(part for part in both if part > 0) / (end - start)


def _runs(nearest: Grey) -> dict[int, list[tuple[int, int, int]]]:
    """Number of a colour -> its longest runs `(row, first column, last column + 1)`, in order."""
    # Columns of no colour, so that no run goes on in the next row.
    padded = np.pad(nearest, ((0, 0), (0, _GAP + 1)), constant_values=255)
    width = padded.shape[1]
    flat = padded.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    ends = np.append(starts[1:], flat.size)
    keep = (flat[starts] != 255) & (ends - starts >= 2)
    starts, ends = starts[keep], ends[keep]
    colours = flat[starts]
    runs: dict[int, list[tuple[int, int, int]]] = {}
    for number in range(len(COLOURS)):
        mine = colours == number
        first, last = starts[mine], ends[mine]
        # Lines of other boxes and noise interrupt them.
        apart = np.flatnonzero(first[1:] - last[:-1] > _GAP)
        first = first[np.concatenate([[0], apart + 1])] if len(first) else first
        last = last[np.append(apart, len(last) - 1)] if len(last) else last
        longest = np.argsort(first - last, kind="stable")[:_MOST_RUNS]
        longest = np.sort(longest[(last - first)[longest] >= _LEAST_RUN])
        runs[number] = [
            (start // width, start % width, start % width + end - start)
            for start, end in zip(first[longest].tolist(), last[longest].tolist(), strict=True)
        ]
    return runs


def _lines(runs: list[tuple[int, int, int]]) -> list[_Line]:
    """Runs of about the same columns in 2 to 12 rows, joined where they are on one level."""
    stacks: list[list[tuple[int, int, int]]] = []
    at: dict[int, list[list[tuple[int, int, int]]]] = {}
    for run in runs:
        row, first, last = run
        for stack in at.get(row - 1, []):
            above = stack[-1]
            both = min(above[2], last) - max(above[1], first)
            if both > 0.7 * max(above[2] - above[1], last - first):
                stack.append(run)
                break
        else:
            stack = [run]
            stacks.append(stack)
        at.setdefault(row, []).append(stack)
    lines: list[_Line] = []
    for stack in sorted(stacks, key=lambda s: s[0][1] - s[0][2]):
        if not 2 <= len(stack) <= 12:
            continue
        top, bottom = stack[0][0], stack[-1][0] + 1
        for line in lines:
            if abs(line.first - top) <= 1 and abs(line.last - bottom) <= 1:
                break
        else:
            line = _Line(top, bottom)
            lines.append(line)
        line.spans.append((min(run[1] for run in stack), max(run[2] for run in stack)))
    lines.sort(key=lambda line: -sum(b - a for a, b in line.spans))
    return sorted(lines[:_MOST_LINES], key=lambda line: line.first)


def _rectangles(across: list[_Line], down: list[_Line]) -> list[tuple[Rect, int]]:
    """Rectangles whose four sides are mostly covered, and their lines' width, the surest first."""
    found: list[tuple[float, Rect, int]] = []
    for upper, lower in combinations(across, 2):
        y0, y1 = upper.first, lower.last
        if lower.first <= upper.last:
            continue
        sides = [line for line in down if line.share(y0, y1) > 0.5]
        for left, right in combinations(sides, 2):
            x0, x1 = left.first, right.last
            shares = upper.share(x0, x1), lower.share(x0, x1)
            whole = sum(shares) + left.share(y0, y1) + right.share(y0, y1)
            parted = _divided(down, left, right, y0, y1)
            if right.first > left.last and min(shares) > 0.5 and whole > 2.9 and not parted:
                widths = sorted(k.last - k.first for k in (upper, lower, left, right))
                thin = widths[3] - widths[0] <= 3 and min(x1 - x0, y1 - y0) >= 3 * widths[1]
                if thin and not _divided(across, upper, lower, x0, x1):
                    found.append((whole, (x0, y0, x1, y1), widths[1]))
    # A large one is no label.
    found.sort(key=lambda f: (-round(f[0], 1), (f[1][0] - f[1][2]) * (f[1][3] - f[1][1])))
    return [(rect, width) for _, rect, width in found]


def _divided(lines: list[_Line], low: _Line, high: _Line, start: int, end: int) -> bool:
    """Whether a line runs all along between two: they belong to two boxes on one level."""
    between = (k for k in lines if k.first > low.last and k.last < high.first)
    return any(line.share(start, end) > 0.75 for line in between)


def _is_box(picture: Frame, mask: npt.NDArray[np.bool_], rect: Rect, line: int) -> bool:
    """Whether it is empty, unlike a label, and has dark rims, unlike what frames show."""
    x0, y0, x1, y1 = rect
    inner = np.s_[y0 + line : y1 - line, x0 + line : x1 - line]
    filled, brightest = mask[inner].mean(), picture[inner].max(axis=2)
    if filled > 0.4 or (filled > 0.15 and (mask[inner] | (brightest < 110)).mean() > 0.8):
        return False
    rims = []
    for turns in range(4):
        # Each side in turn becomes the upper one.
        turned = np.rot90(picture, turns)
        height, width = picture.shape[:2]
        a0, b0, a1, _ = [
            (x0, y0, x1, y1),
            (y0, width - x1, y1, width - x0),
            (width - x1, height - y1, width - x0, height - y0),
            (height - y1, x0, height - y0, x1),
        ][turns]
        for first, last in ((b0 - 2, b0 + 1), (b0 + line - 1, b0 + line + 2)):
            if first >= 0:
                band = turned[first:last, a0 + line : a1 - line]
                dark, white = band.max(axis=2).min(axis=0) < 110, band[0].min(axis=1) > 220
                # White is the seam between frames, or the margin beside one.
                rims.append(float((dark | white).mean()))
    return sum(share > 0.6 for share in rims) >= 0.7 * len(rims)


def _apart(rects: Iterable[Rect]) -> list[Rect]:
    """Without those that overlap an earlier one: a colour is there once in each picture."""
    kept: list[Rect] = []
    for rect in rects:
        if not any(_overlap(rect, other, 0) for other in kept):
            kept.append(rect)
    # Black digits on orange have corners, too; their box is near.
    return [rect for rect in kept if not any(_within_label(rect, other) for other in kept)]


def _overlap(one: Rect, other: Rect, margin: int) -> bool:
    return all(
        one[axis] < other[axis + 2] + margin and other[axis] < one[axis + 2] + margin
        for axis in (0, 1)
    )


def _within_label(rect: Rect, other: Rect) -> bool:
    side = max(rect[2] - rect[0], rect[3] - rect[1])
    larger = min(other[2] - other[0], other[3] - other[1]) > side
    return side < 30 and larger and _overlap(rect, other, 2 * side)
