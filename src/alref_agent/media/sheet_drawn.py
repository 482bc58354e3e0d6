"""Contact sheets as pixels: frames in their cells, with their discs and boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

import cv2
import numpy as np

from alref_agent.media.boxes_drawn import Rect, draw_labels, draw_lines, outlines
from alref_agent.media.sheet_layout import Layout, Plan, plan_sheet
from alref_agent.media.text import disc, paste
from alref_agent.types import Floats, Frame

_HIDDEN = 0.3
"""Share of a box behind its frame's disc from which on discs stand beside the frames."""


class Frames(Protocol):
    """A list of frames, or something that decodes them when they are asked for."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Frame: ...


@dataclass(frozen=True)
class Place:
    """Where one picture stands on its sheet; xyxy in pixels, right and bottom exclusive."""

    number: int
    frame: Rect
    disc: Rect
    boxes: tuple[Rect, ...] = ()
    """Outlines of its boxes 1, 2, …"""
    labels: tuple[Rect, ...] = ()
    """Their labels."""

    def moved(self, x: int, y: int) -> Place:
        """The same, so many pixels further right and down."""

        def move(rect: Rect) -> Rect:
            return rect[0] + x, rect[1] + y, rect[2] + x, rect[3] + y

        return Place(
            self.number,
            move(self.frame),
            move(self.disc),
            tuple(move(rect) for rect in self.boxes),
            tuple(move(rect) for rect in self.labels),
        )


@dataclass(frozen=True, eq=False)
class Sheet:
    """A contact sheet."""

    pixels: Frame = field(repr=False)
    """RGB, `(H, W, 3)` uint8."""
    places: tuple[Place, ...]
    """A picture each, in the order of their numbers."""


class SheetPictures:
    """The pictures of one sheet, kept no larger than they are on the largest one."""

    def __init__(
        self,
        frames: Iterator[Frame],
        numbers: Sequence[int],
        boxes: Mapping[int, Floats],
        layout: Layout,
        max_side: int,
        n_frames: int,
    ) -> None:
        first = next(frames)
        self._size = first.shape[0], first.shape[1]
        self._numbers = numbers
        self._boxes = {n: boxes[n] for n in numbers if n in boxes}
        self._layout = layout
        self._n_frames = n_frames
        self.max_side = max_side
        plan = self._plan(max_side)
        self._frames = [self._kept(frame, plan) for frame in chain([first], frames)]

    def sheet(self, max_side: int) -> Sheet:
        """Draw it, at most as large as it was planned at first."""
        plan = self._plan(max_side)
        pixels = _ground(plan)
        places = []
        for index, (number, frame) in enumerate(zip(self._numbers, self._frames, strict=True)):
            top, left = plan.cell(index)
            cell, place = self._cell(plan, number, frame)
            pixels[top : top + plan.cell_height, left : left + plan.cell_width] = cell
            places.append(place.moved(left, top))
        return Sheet(pixels, tuple(places))

    def _plan(self, max_side: int) -> Plan:
        def plan(beside: bool) -> Plan:
            most = max((len(boxes) for boxes in self._boxes.values()), default=0)
            return plan_sheet(
                self._n_frames, self._size, self._layout, max_side, n_boxes=most, beside=beside
            )

        on = plan(False)
        x0, y0, x1, y1 = _disc_place(on)
        for number in self._boxes:
            for a0, b0, a1, b1 in self._outlines(on, number):
                shared = max(0, min(x1, a1) - max(x0, a0)) * max(0, min(y1, b1) - max(y0, b0))
                if shared > _HIDDEN * (a1 - a0) * (b1 - b0):
                    return plan(True)
        return on

    def _outlines(self, plan: Plan, number: int) -> list[Rect]:
        height, width = self._size
        scale = np.array([plan.width / width, plan.height / height] * 2, np.float32)
        shift = np.array([plan.left, plan.top] * 2, np.float32)
        boxes = self._boxes[number].reshape(-1, 4) * scale + shift
        return outlines(boxes, _frame_place(plan), plan.line)

    def _cell(self, plan: Plan, number: int, frame: Frame) -> tuple[Frame, Place]:
        cell = np.full((plan.cell_height, plan.cell_width, 3), 255, np.uint8)
        x0, y0, x1, y1 = _frame_place(plan)
        cell[y0:y1, x0:x1] = _resized(frame, plan)
        at = _disc_place(plan)
        rects: list[Rect] = []
        labels: list[Rect] = []
        if number in self._boxes:
            rects = self._outlines(plan, number)
            draw_lines(cell, rects, plan.line)
            labels = draw_labels(cell, rects, plan.line, plan.tag, [at])
        picture, opacity = disc(number, plan.disc)
        paste(cell, picture, at[0], at[1], opacity)
        return cell, Place(number, (x0, y0, x1, y1), at, tuple(rects), tuple(labels))

    def _kept(self, frame: Frame, plan: Plan) -> Frame:
        if frame.shape != (*self._size, 3):
            raise ValueError(f"frames of {(*self._size, 3)} expected, got {frame.shape}")
        # What is enlarged is smaller as it is.
        return _resized(frame, plan) if plan.height < frame.shape[0] else frame


def parted(
    frames: Frames, layout: Layout, max_side: int, boxes: Mapping[int, Floats]
) -> Iterator[SheetPictures]:
    """The pictures of each sheet."""
    if not len(frames):
        raise ValueError("a contact sheet needs at least one frame")
    n = len(frames)
    numbers = range(1, n + 1)
    if set(boxes) - set(numbers):
        raise ValueError(f"boxes on pictures {sorted(boxes)}, but there are {n}")
    for part in [[number] for number in numbers] if layout == "separate" else [numbers]:
        lazily = (frames[number - 1] for number in part)
        yield SheetPictures(lazily, part, boxes, layout, max_side, n)


def _ground(plan: Plan) -> Frame:
    """White, with a black line between cells: white alone is lost between white frames."""
    pixels = np.full((*plan.size, 3), 255, np.uint8)
    edge = (plan.gap + 1) // 4
    for row in range(1, plan.rows):
        end = row * (plan.cell_height + plan.gap)
        pixels[end - plan.gap + edge : end - edge] = 0
    for column in range(1, plan.columns):
        end = column * (plan.cell_width + plan.gap)
        pixels[:, end - plan.gap + edge : end - edge] = 0
    return pixels


def _frame_place(plan: Plan) -> Rect:
    return plan.left, plan.top, plan.left + plan.width, plan.top + plan.height


def _disc_place(plan: Plan) -> Rect:
    at = plan.disc_inset
    return at, at, at + plan.disc, at + plan.disc


def _resized(frame: Frame, plan: Plan) -> Frame:
    height, width = frame.shape[:2]
    if (height, width) == (plan.height, plan.width):
        return frame
    smooth = cv2.INTER_AREA if plan.height < height else cv2.INTER_CUBIC
    resized: Frame = cv2.resize(frame, (plan.width, plan.height), interpolation=smooth).astype(
        np.uint8, copy=False
    )
    return resized
