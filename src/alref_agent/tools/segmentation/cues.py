"""Prompts -> for each object, what its frames say of it, and how it is carried from there.

For segmenters that start on prompted frames and propagate: forward and backward in two sweeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from alref_agent.types import Floats, Mask, Prompt


@dataclass(frozen=True, eq=False)
class Cue:
    """All that the prompts say of one object on one frame. A mask says all by itself."""

    frame_idx: int
    mask: Mask | None
    """`(H, W)` bool; where there is one, there are no box and points."""
    box: Floats | None
    """`(4,)` float32, xyxy in pixels."""
    points: Floats
    """`(N, 2)` float32, xy in pixels."""
    labels: npt.NDArray[np.bool_]
    """`(N,)` bool: True for a point on the object."""


@dataclass(frozen=True, eq=False)
class Course:
    """One object's way through the video.

    Every frame from `first` on is reached in the forward sweep, every frame before `last` in the
    backward sweep. With one start they are the same frame; with several, the frames between them
    are reached from both sides, and the nearer cue answers.
    """

    obj_id: int
    cues: dict[int, Cue]
    """`frame_idx` -> cue, in order of time."""
    first: int
    """Where the forward sweep takes the object up."""
    last: int
    """Where the backward sweep does; `first <= last`, and both have a cue."""

    def answers(self, frame_idx: int, *, backward: bool) -> bool:
        """Whether this sweep has the answer for a frame; exactly one of the two has."""
        if frame_idx >= self.last:
            return not backward
        if frame_idx < self.first:
            return backward
        before = max(t for t in self.cues if t <= frame_idx)
        after = min(t for t in self.cues if t >= frame_idx)
        return backward == (after - frame_idx < frame_idx - before)

    def computes(self, frame_idx: int, *, backward: bool) -> bool:
        """Whether the sweep must look at the frame for this object."""
        reached = frame_idx < self.last if backward else frame_idx >= self.first
        return reached and frame_idx not in self.cues


def courses(prompts: Sequence[Prompt], max_prompts: int | None = None) -> list[Course]:
    """A course an object, in the order of their ids.

    Boxes that nobody saw (of no confidence) are left out where there are others. Prompts of one
    object on one frame are joined: points add up, of two boxes the first counts, and
    a mask takes the place of both.

    Args:
        prompts: Of all objects.
        max_prompts: At most so many frames of an object keep their cue: those that are marked as
            starts or have a mask or points, and of the others the surest of as many equal parts of
            the rest. None: all.
    """
    of_object: dict[int, list[Prompt]] = {}
    for prompt in prompts:
        of_object.setdefault(prompt.obj_id, []).append(prompt)
    return [_course(obj_id, given, max_prompts) for obj_id, given in sorted(of_object.items())]


def _course(obj_id: int, prompts: Sequence[Prompt], max_prompts: int | None) -> Course:
    seen = [prompt for prompt in prompts if prompt.confidence > 0 or prompt.start]
    on_frame: dict[int, list[Prompt]] = {}
    for prompt in seen or prompts:
        on_frame.setdefault(prompt.frame_idx, []).append(prompt)
    frames = sorted(on_frame)
    starts = [t for t in frames if any(prompt.start for prompt in on_frame[t])]
    if max_prompts is not None:
        firm = [t for t in frames if t in starts or any(p.box is None for p in on_frame[t])]
        sure = {t: max(p.confidence for p in on_frame[t]) for t in frames}
        frames = _thinned(sure, firm, max_prompts)
    starts = starts or frames
    cues = {t: _joined(t, on_frame[t]) for t in frames}
    return Course(obj_id, cues, min(starts), max(starts))


def _thinned(sure: Mapping[int, float], firm: Sequence[int], most: int) -> list[int]:
    """At most `most` of the frames, unless more are firm; in order.

    Args:
        sure: Frame -> confidence, in order of time.
        firm: Frames that stay.
        most: How many.
    """
    loose = [t for t in sure if t not in set(firm)]
    room = max(0, most - len(firm))
    if len(loose) > room:
        ends = [round(n * len(loose) / room) for n in range(room + 1)] if room else []
        loose = [_surest(loose[a:b], sure) for a, b in pairwise(ends)]
    return sorted({*firm, *loose})


def _surest(frames: Sequence[int], sure: Mapping[int, float]) -> int:
    """Of equals the one in the middle: a track is weakest at its ends."""
    middle = len(frames) // 2
    best = max(range(len(frames)), key=lambda n: (sure[frames[n]], -abs(n - middle)))
    return frames[best]


def _joined(frame_idx: int, prompts: Sequence[Prompt]) -> Cue:
    mask = next((p.mask for p in prompts if p.mask is not None), None)
    box = next((p.box for p in prompts if p.box is not None), None)
    points = [p.points for p in prompts if p.points is not None]
    labels = [p.labels for p in prompts if p.labels is not None]
    if mask is not None or not points:
        none = np.zeros((0, 2), np.float32), np.zeros(0, np.bool_)
        return Cue(frame_idx, mask, None if mask is not None else box, *none)
    return Cue(frame_idx, None, box, np.concatenate(points), np.concatenate(labels))
