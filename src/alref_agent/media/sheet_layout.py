"""Where everything stands on a contact sheet: cells, frames in them, the sizes of what is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Layout: TypeAlias = Literal["vertical", "horizontal", "grid", "separate"]

_SHORT_SIDE = 240
"""Pixels to which the short side of a smaller frame is enlarged, where there is room: models see
little in fewer."""
_LEAST_SHORT_SIDE = 64
"""Pixels of a frame's short side under which a single row or column goes on in a second."""
_DISC = {1: 34, 2: 42}
"""Digits of the highest number -> the least diameter: digits are 14 pixels wide."""
_TAG = 14
"""The least height of a label's digits in pixels."""
_WORTH = 0.8
"""A disc stands beside its frame only where that leaves this share of the frame's size."""
_LEAST_SHARE = 0.5
"""The same, where boxes would be hidden or have no room for their labels otherwise."""


@dataclass(frozen=True)
class Plan:
    """One sheet; everything in pixels of the sheet. All cells are of one size."""

    rows: int
    columns: int
    down_first: bool
    """Whether the second picture stands below the first (else right of it)."""
    height: int
    """Of a frame as it is drawn."""
    width: int
    top: int
    """Rows of a cell above its frame, …"""
    left: int
    """… columns left of it, …"""
    cell_height: int
    cell_width: int
    """… and both with what is right of it and below."""
    gap: int
    """Between cells."""
    disc: int
    """Diameter."""
    disc_inset: int
    """Of the disc from the upper-left corner of its cell."""

    @property
    def size(self) -> tuple[int, int]:
        """`(height, width)` of the sheet."""
        return (
            self.rows * self.cell_height + (self.rows - 1) * self.gap,
            self.columns * self.cell_width + (self.columns - 1) * self.gap,
        )

    @property
    def tag(self) -> int:
        """Height of the digits of a box's label."""
        return _tag(self.height, self.width)

    @property
    def line(self) -> int:
        """Width of a box's line."""
        short = min(self.height, self.width)
        return max(3 if short >= 96 else 2, round(math.sqrt(self.height * self.width) / 180))

    def cell(self, place: int) -> tuple[int, int]:
        """`(top, left)` of the cell of the `place`-th picture, from 0."""
        row, column = divmod(place, self.columns)
        if self.down_first:
            column, row = divmod(place, self.rows)
        return row * (self.cell_height + self.gap), column * (self.cell_width + self.gap)


@dataclass(frozen=True)
class _Wanted:
    """What is to be planned."""

    n: int
    size: tuple[int, int]
    max_side: int
    n_boxes: int
    beside: bool

    @property
    def least_disc(self) -> int:
        return _DISC[min(len(str(self.n)), 2)]

    @property
    def gap(self) -> int:
        return max(1, self.max_side // 256) if self.n > 1 else 0


def plan_sheet(
    n: int,
    size: tuple[int, int],
    layout: Layout,
    max_side: int,
    *,
    n_boxes: int = 0,
    beside: bool = False,
) -> Plan:
    """Make frames as large as they can be, and what is written on them legible.

    Rows and columns go on in a second one where the frames would be too small to be seen; in a
    column of its own order, so that `vertical` still reads downwards.

    Args:
        n: How many pictures; of `separate` ones, which have a sheet each, the highest number.
        size: `(height, width)` of a frame.
        layout: How they are joined.
        max_side: Pixels that neither side of the sheet exceeds; at least 64.
        n_boxes: The most boxes on one frame, for whose labels there must be room.
        beside: Whether discs should rather stand beside the frames than on them.
    """
    wanted = _Wanted(n, size, max_side, n_boxes, beside)
    if layout == "separate":
        return _best([_planned(wanted, 1, 1, False)], _legible)
    plans = [
        _planned(wanted, math.ceil(n / lines), lines, True)
        if layout == "vertical"
        else _planned(wanted, lines, math.ceil(n / lines), False)
        for lines in range(1, n + 1)
    ]
    if layout == "grid":
        return _best(plans, lambda plan: (_legible(plan), -max(plan.size)))
    return _best(plans, lambda plan: min(_legible(plan), _LEAST_SHORT_SIDE))


def _best(plans: Iterable[Plan | None], worth: Callable[[Plan], object]) -> Plan:
    # The first of equals: the fewest rows or columns.
    return max((plan for plan in plans if plan), key=worth)  # type: ignore[arg-type]


def _legible(plan: Plan) -> float:
    """Pixels of a frame's short side, less where the number is too small to be read."""
    return min(plan.height, plan.width) * min(1.0, plan.disc / _DISC[1])


def _planned(wanted: _Wanted, rows: int, columns: int, down_first: bool) -> Plan | None:
    """The best plan with so many rows and columns; None: there is no room for them."""

    def plan(disc: int = 0, side: Literal["on", "left", "above"] = "on") -> Plan | None:
        return _with_disc(wanted, rows, columns, down_first, disc, side)

    bare = plan()
    if bare is None:
        return None
    short = min(bare.height, bare.width)
    mean = math.sqrt(bare.height * bare.width)
    disc = max(wanted.least_disc, round(min(mean / 8, short / 3)))
    if wanted.beside or short < 2.2 * disc:
        aside = [p for p in (plan(disc, "left"), plan(disc, "above")) if p]
        best = max(aside, key=lambda p: p.height * p.width, default=None)
        share = _LEAST_SHARE if wanted.beside else _WORTH
        if best and min(best.height, best.width) >= share * short:
            return best
        # No room beside it: as much of the frame as a number needs.
        disc = max(min(disc, round(0.55 * short)), min(20, round(0.8 * short)), 1)
    return plan(disc)


def _with_disc(
    wanted: _Wanted,
    rows: int,
    columns: int,
    down_first: bool,
    disc: int,
    side: Literal["on", "left", "above"],
) -> Plan | None:
    inset = min(max(2, disc // 8), 12)
    beside = disc + 2 * inset if side != "on" else 0
    left, top = beside * (side == "left"), beside * (side == "above")
    high = (wanted.max_side - wanted.gap * (rows - 1)) // rows
    wide = (wanted.max_side - wanted.gap * (columns - 1)) // columns
    if min(high, wide) < beside or high - top < 1 or wide - left < 1:
        return None
    height, width = _scaled(wanted.size, high - top, wide - left)
    right, bottom = _strip(height, width, wanted.n_boxes)
    small = 0, 0
    if high - top > bottom and wide - left > right:
        small = _scaled(wanted.size, high - top - bottom, wide - left - right)
    if min(small) < _LEAST_SHARE * min(height, width):
        right = bottom = 0
    else:
        height, width = small
    if side == "on":
        inset = min(inset, max(0, min(height, width) - disc))
    return Plan(
        rows=rows,
        columns=columns,
        down_first=down_first,
        height=height,
        width=width,
        top=top,
        left=left,
        cell_height=max(top + height + bottom, beside),
        cell_width=max(left + width + right, beside),
        gap=wanted.gap,
        disc=disc,
        disc_inset=inset,
    )


def _scaled(size: tuple[int, int], high: int, wide: int) -> tuple[int, int]:
    """`(height, width)` of a frame in so much room."""
    height, width = size
    scale = min(high / height, wide / width, max(1.0, _SHORT_SIDE / min(height, width)))
    return (
        min(max(1, round(height * scale)), high),
        min(max(1, round(width * scale)), wide),
    )


def _tag(height: int, width: int) -> int:
    return max(_TAG, round(min(math.sqrt(height * width) / 26, min(height, width) / 8)))


def _strip(height: int, width: int, n_boxes: int) -> tuple[int, int]:
    """`(right, bottom)`: room for labels beside a frame that is too thin to carry them."""
    tag = _tag(height, width)
    if not n_boxes:
        return 0, 0
    tall, wide = round(1.6 * tag) + 2, round(2.2 * tag) + 2
    if min(height, width) >= 3.5 * tall:
        return 0, 0
    if height <= width:
        return 0, tall * math.ceil(n_boxes * wide / width)
    return wide * math.ceil(n_boxes * tall / height), 0
