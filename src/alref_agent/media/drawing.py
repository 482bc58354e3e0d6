"""Masks drawn on a frame: a tint, an outline and the object's name beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from alref_agent.media.palette import colour
from alref_agent.media.text import label, paste
from alref_agent.types import Frame, Mask

_TINT = 0.45
"""Share of the object's colour inside its outline."""
_FOLLOW = 0.15
"""How far a name moves towards its object from frame to frame; less is calmer."""
_LOST_AFTER = 12
"""Frames after which a name forgets where its object was."""
_SMALL = 0.02
"""Share of the picture under which a name would hide an object."""


@dataclass
class _Anchor:
    x: float
    y: float
    frame: int


class MaskPainter:
    """Draws the frames of one video; names follow their objects calmly from frame to frame."""

    def __init__(self, names: Mapping[int, str]) -> None:
        """Give every object its colour.

        Args:
            names: `obj_id` to what is written beside it; an empty one writes nothing.
        """
        self._names = dict(names)
        self._colours = {obj_id: colour(n) for n, obj_id in enumerate(sorted(names))}
        self._tints = {obj_id: _tint(c) for obj_id, c in self._colours.items()}
        self._anchors: dict[int, _Anchor] = {}
        self._count = 0

    def paint(self, frame: Frame, masks: Mapping[int, Mask]) -> Frame:
        """A new picture.

        Args:
            frame: RGB, `(H, W, 3)` uint8; not changed.
            masks: `obj_id` to mask, `(H, W)` bool; empty ones draw nothing.
        """
        picture = frame.copy()
        self._count += 1
        boxes: dict[int, tuple[int, int, int, int]] = {}
        for obj_id in sorted(masks):
            mask = masks[obj_id]
            if obj_id not in self._names:
                raise ValueError(f"object {obj_id} has no name; known: {sorted(self._names)}")
            if mask.shape != frame.shape[:2] or mask.dtype != np.bool_:
                raise ValueError(
                    f"mask {obj_id}: bool {frame.shape[:2]} expected, got {mask.dtype} {mask.shape}"
                )
            box = cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8))
            if box[2]:
                boxes[obj_id] = (box[0], box[1], box[2], box[3])
                self._fill(picture, mask, boxes[obj_id], obj_id)
        self._write_names(picture, boxes)
        return picture

    def _fill(
        self, picture: Frame, mask: Mask, box: tuple[int, int, int, int], obj_id: int
    ) -> None:
        height, width = mask.shape
        line = max(1, round(min(height, width) / 240))
        x, y, w, h = box
        # Only the object's surroundings are touched: most objects are small.
        left, top = max(x - line - 1, 0), max(y - line - 1, 0)
        right, bottom = min(x + w + line + 1, width), min(y + h + line + 1, height)
        region = picture[top:bottom, left:right]
        inside = np.ascontiguousarray(mask[top:bottom, left:right]).view(np.uint8)
        tinted = cv2.LUT(np.ascontiguousarray(region), self._tints[obj_id])
        cv2.copyTo(tinted, inside, region)
        contours, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        drawn = np.ascontiguousarray(region)
        cv2.drawContours(drawn, contours, -1, self._colours[obj_id], line, cv2.LINE_AA)
        region[:] = drawn

    def _write_names(self, picture: Frame, boxes: Mapping[int, tuple[int, int, int, int]]) -> None:
        height, width = picture.shape[:2]
        size = max(10, round(min(height, width * 9 / 16) / 24))
        # Names cover neither each other nor what is small; the small come first and stay close.
        taken = [box for box in boxes.values() if box[2] * box[3] < _SMALL * height * width]
        for obj_id in sorted(boxes, key=lambda i: (boxes[i][2] * boxes[i][3], i)):
            x, y, w, h = boxes[obj_id]
            if not self._names[obj_id]:
                continue
            words = label(self._names[obj_id], size, self._colours[obj_id], round(width * 0.45))
            tall, wide = words.shape[:2]
            gap = size // 3
            at_x = x + w / 2 - wide / 2
            at_y = y - tall - gap
            if at_y < 0:
                # No room above: below it, or, where the object is as high as the picture, on it.
                at_y = y + h + gap if y + h + gap + tall <= height else 0
            at_x, at_y = self._calm(obj_id, at_x, at_y, height)
            left = round(min(max(at_x, 0), max(width - wide, 0)))
            top = round(min(max(at_y, 0), max(height - tall, 0)))
            top = _free(taken, left, top, wide, tall, height)
            # From there it drifts back; without this it would jump back.
            self._anchors[obj_id] = _Anchor(at_x, top, self._count)
            taken.append((left, top, wide, tall))
            paste(picture, words, left, top)

    def _calm(self, obj_id: int, x: float, y: float, height: int) -> tuple[float, float]:
        last = self._anchors.get(obj_id)
        far = last is None or max(abs(x - last.x), abs(y - last.y)) > height / 4
        if last is None or far or self._count - last.frame > _LOST_AFTER:
            return x, y
        return last.x + _FOLLOW * (x - last.x), last.y + _FOLLOW * (y - last.y)


def paint_masks(frame: Frame, masks: Mapping[int, Mask], names: Mapping[int, str]) -> Frame:
    """One still picture with masks; see `MaskPainter`."""
    return MaskPainter(names).paint(frame, masks)


def _tint(rgb: tuple[int, int, int]) -> Frame:
    """A look-up table, `(1, 256, 3)`: value to tinted value for each channel."""
    value = np.arange(256, dtype=np.float32)[None, :, None]
    table = value * (1 - _TINT) + np.array(rgb, np.float32) * _TINT
    return np.round(table).astype(np.uint8)


def _free(
    taken: list[tuple[int, int, int, int]], left: int, top: int, wide: int, tall: int, height: int
) -> int:
    """The row nearest to `top` at which a label covers nothing that is taken."""

    def covers(row: int) -> bool:
        return any(
            left < x + w and x < left + wide and row < y + h and y < row + tall
            for x, y, w, h in taken
        )

    rows = [top, *(y + h for _, y, _, h in taken), *(y - tall for _, y, _, _ in taken)]
    rows = [row for row in rows if 0 <= row <= height - tall and not covers(row)]
    return min(rows, key=lambda row: abs(row - top), default=top)
