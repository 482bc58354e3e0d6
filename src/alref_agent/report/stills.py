"""Frames of the video, small, with what was found on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import cv2
import numpy as np

from alref_agent.errors import AlrefError
from alref_agent.media.boxes_drawn import draw_labels, draw_lines, outlines
from alref_agent.media.drawing import paint_masks
from alref_agent.report.pictures import fitted
from alref_agent.report.words import clock
from alref_agent.types import Floats, Frame, Mask
from alref_agent.workspace import Workspace

SHORT_SIDE = 270
"""Pixels: enough to see what is meant, and a page of hundreds of them still opens."""
_KEPT = 64
"""Small frames that stay in memory: objects share most of theirs."""


class Stills:
    """Small frames of one run's video; what cannot be read is None, never an error."""

    def __init__(self, workspace: Workspace, masks: str | None, obj_ids: Sequence[int]) -> None:
        """Begin.

        Args:
            workspace: Its video, and its masks.
            masks: Id of the masks; None: there are none.
            obj_ids: All objects that have a colour, in the order of the overlay's colours.
        """
        self._workspace = workspace
        self._masks = masks
        self._names = dict.fromkeys(obj_ids, "")
        self._small = lru_cache(maxsize=_KEPT)(self._read)

    @property
    def n_frames(self) -> int:
        """Frames of the video."""
        return self._workspace.video.n_frames

    def has(self, frame_idx: int) -> bool:
        """Whether the video has such a frame; records of plug-ins may say anything."""
        return 0 <= frame_idx < self.n_frames

    def time(self, frame_idx: int) -> str:
        """When the frame is shown: `0.42 s`."""
        return clock(self._workspace.video.time(frame_idx)) if self.has(frame_idx) else "?"

    def name(self, frame_idx: int) -> str:
        """The frame's name, `00010`."""
        video = self._workspace.video
        return video.frame_name(frame_idx) if self.has(frame_idx) else f"number {frame_idx}"

    def place(self, frame_idx: int) -> str:
        """The frame in words: `frame 00010 at 0.42 s`."""
        return f"frame {self.name(frame_idx)} at {self.time(frame_idx)}"

    def masked(self, frame_idx: int, obj_id: int) -> tuple[Frame | None, bool]:
        """A frame with one object's mask as in the overlay, and whether it has one there."""
        frame = self._small(frame_idx)
        if frame is None:
            return None, False
        mask = self._mask(frame_idx, obj_id)
        if mask is None:
            return frame, False
        small = _resized(mask, frame)
        return paint_masks(frame, {obj_id: small}, self._names | {obj_id: ""}), True

    def boxed(self, frame_idx: int, boxes: Floats) -> Frame | None:
        """A frame with boxes 1, 2, … drawn as they are drawn for an LLM.

        Args:
            frame_idx: Which frame.
            boxes: `(N, 4)` float32, xyxy in pixels of the video.
        """
        frame = self._small(frame_idx)
        if frame is None or not len(boxes):
            return frame
        height, width = frame.shape[:2]
        video = self._workspace.video
        scale = np.array([width / video.width, height / video.height] * 2, np.float32)
        short = min(height, width)
        line = max(2, round(short / 130))
        canvas = frame.copy()
        rects = outlines(boxes * scale, (0, 0, width, height), line)
        draw_lines(canvas, rects, line)
        draw_labels(canvas, rects, line, max(11, round(short / 17)), [])
        return canvas

    def _read(self, frame_idx: int) -> Frame | None:
        if not self.has(frame_idx):
            return None
        try:
            return fitted(self._workspace.video.frame(frame_idx), SHORT_SIDE)
        except AlrefError:
            return None

    def _mask(self, frame_idx: int, obj_id: int) -> Mask | None:
        if self._masks is None:
            return None
        try:
            return self._workspace.masks_on(self._masks, frame_idx).get(obj_id)
        except AlrefError:
            return None


def evenly(n_frames: int, most: int) -> list[int]:
    """At most so many frames from the first to the last, evenly spread."""
    n = min(n_frames, most)
    return sorted({round(i * (n_frames - 1) / max(1, n - 1)) for i in range(n)})


def chosen_among(spread: Sequence[int], wanted: Sequence[int], most: int) -> list[int]:
    """The wanted frames, at most so many, and of the spread ones those that are not beside them."""
    kept = sorted(set(wanted))
    kept = [kept[i] for i in evenly(len(kept), most)] if kept else []
    gap = (spread[1] - spread[0]) / 2 if len(spread) > 1 else 1
    ends = {spread[0], spread[-1]} if spread else set()
    others = [i for i in spread if i in ends or all(abs(i - j) >= gap for j in kept)]
    return sorted({*kept, *others})


def colours(obj_ids: Sequence[int]) -> Mapping[int, int]:
    """`obj_id` -> number of its colour, as the overlay gives them."""
    return {obj_id: n for n, obj_id in enumerate(sorted(set(obj_ids)))}


def _resized(mask: Mask, frame: Frame) -> Mask:
    height, width = frame.shape[:2]
    smooth = cv2.INTER_AREA if height < mask.shape[0] else cv2.INTER_LINEAR
    share = cv2.resize(mask.astype(np.float32), (width, height), interpolation=smooth)
    # What is thinner than a small pixel is still seen.
    small: Mask = share > min(0.5, float(share.max()) / 2)
    return small
