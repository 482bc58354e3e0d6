"""The data that flows: videos, expressions, detections, box tracks, prompts, masks.

Arrays are checked when an object is made, so that a wrong shape is found where it was made and not
three stages later. Everything here is numpy; nothing here imports a model library.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Frame: TypeAlias = npt.NDArray[np.uint8]
"""RGB, `(H, W, 3)`, uint8."""

Mask: TypeAlias = npt.NDArray[np.bool_]
"""`(H, W)` at video resolution, bool."""

Floats: TypeAlias = npt.NDArray[np.float32]


class Video(Protocol):
    """Frames that come lazily; nothing may hold all of them.

    `frame_idx` counts from 0 to `n_frames - 1` in this video, whatever range and stride were cut
    from the source; `frame_name` says which frame of the source that is (a file stem as `00005`).
    """

    @property
    def n_frames(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def fps(self) -> float:
        """Frames a second of this video (its mean where the rate varies; stride included)."""
        ...

    def time(self, frame_idx: int) -> float:
        """Seconds from the start of the source at which the frame is shown."""
        ...

    def frame_name(self, frame_idx: int) -> str: ...

    def frame(self, frame_idx: int) -> Frame:
        """One frame, by random access."""
        ...

    def frames_at(self, frame_idxs: Sequence[int]) -> Iterator[tuple[int, Frame]]:
        """`(frame_idx, frame)` of some frames, which rise: what several share is decoded once."""
        ...

    def frames(
        self, start: int = 0, stop: int | None = None, step: int = 1
    ) -> Iterator[tuple[int, Frame]]:
        """`(frame_idx, frame)` in order, in constant memory.

        Indices are those of `range(start, stop, step)`; with a negative step `stop=None` means
        down to frame 0.
        """
        ...


@dataclass(frozen=True)
class Expression:
    """A sentence that names one or more objects."""

    text: str
    exp_id: str
    """Its id within the video, as in `meta_expressions.json`: "0", "1", …"""


@dataclass(frozen=True)
class Target:
    """One thing that a detector takes (a part of) an expression for."""

    label: str
    """What the detector looks for, for instance a class name: `person`."""
    words: str
    """The words of the expression that it stands for: `man`."""
    confidence: float
    """How sure it is that the words mean the label, in [0, 1]."""
    count: int = 1
    """How many such objects the words ask for (`the two people`: 2)."""

    def __post_init__(self) -> None:
        if not 0 <= self.confidence <= 1 or self.count < 1:
            raise ValueError(f"confidence in [0, 1] and count >= 1 expected, got {self}")


@dataclass(frozen=True)
class Grounding:
    """How a detector understood an expression. No targets: it names nothing that can be found."""

    targets: tuple[Target, ...]
    reason: str
    """One sentence for the record: why these targets, or why none."""


@dataclass(frozen=True, eq=False)
class Detections:
    """The candidates on one frame for one expression, best first."""

    frame_idx: int
    boxes: Floats
    """`(N, 4)` float32, xyxy in pixels."""
    scores: Floats
    """`(N,)` float32 in [0, 1]: how well the box fits the expression."""
    phrases: tuple[str, ...]
    """`N` phrases: what the detector saw in each box."""
    targets: npt.NDArray[np.int32]
    """`(N,)` int32: which target of the expression's grounding each box is for."""

    def __post_init__(self) -> None:
        n = len(self.scores)
        _check(self.boxes, "boxes", (n, 4), np.float32)
        _check(self.scores, "scores", (n,), np.float32)
        _check(self.targets, "targets", (n,), np.int32)
        if len(self.phrases) != n:
            raise ValueError(f"{n} phrases expected, got {len(self.phrases)}")


@dataclass(frozen=True, eq=False)
class BoxTrack:
    """One object's boxes through time, as linked from detections."""

    target: int
    """Which target of the grounding it is for."""
    label: str
    """What the detector calls the object: the most frequent phrase of its detections."""
    score: float
    """How good the track is, for ranking tracks of one target; higher is better."""
    motion: float
    """Mean speed against the camera, in widths of the frame a second; 0 where nothing is known."""
    frame_idxs: npt.NDArray[np.int32]
    """`(T,)` int32, increasing: frames on which the object has a box."""
    boxes: Floats
    """`(T, 4)` float32, xyxy in pixels."""
    scores: Floats
    """`(T,)` float32: score of the detection; 0 where the box was filled in between detections."""

    def __post_init__(self) -> None:
        t = len(self.frame_idxs)
        if t == 0:
            raise ValueError("a box track has at least one box")
        _check(self.frame_idxs, "frame_idxs", (t,), np.int32)
        _check(self.boxes, "boxes", (t, 4), np.float32)
        _check(self.scores, "scores", (t,), np.float32)
        if np.any(np.diff(self.frame_idxs) <= 0):
            raise ValueError("frame_idxs must increase")


@dataclass(frozen=True, eq=False)
class Prompt:
    """What tells a segmenter where one object is on one frame: a box, a mask or points."""

    obj_id: int
    frame_idx: int
    box: Floats | None = None
    """`(4,)` float32, xyxy in pixels."""
    mask: Mask | None = None
    """`(H, W)` bool."""
    points: Floats | None = None
    """`(N, 2)` float32, xy in pixels."""
    labels: npt.NDArray[np.bool_] | None = None
    """`(N,)` bool: True for a point on the object, False for one beside it."""
    start: bool = False
    """Whether a segmenter that propagates from one frame should start on this one."""
    confidence: float = 1.0
    """How sure it is, in [0, 1]; 0: nobody saw it, it was filled in between others."""

    def __post_init__(self) -> None:
        if (self.box is None) and (self.mask is None) and (self.points is None):
            raise ValueError("a prompt needs a box, a mask or points")
        if self.box is not None:
            _check(self.box, "box", (4,), np.float32)
        if self.mask is not None and (self.mask.ndim != 2 or self.mask.dtype != np.bool_):
            raise ValueError(f"mask: bool (H, W) expected, got {self.mask.dtype} {self.mask.shape}")
        if self.points is not None:
            _check(self.points, "points", (len(self.points), 2), np.float32)
            if self.labels is None:
                raise ValueError("points need labels")
            _check(self.labels, "labels", (len(self.points),), np.bool_)


@dataclass(frozen=True, eq=False)
class ObjectMask:
    """One object's mask on one frame, as a segmenter yields it."""

    obj_id: int
    frame_idx: int
    mask: Mask
    """`(H, W)` bool at video resolution."""
    score: float = 1.0
    """How sure the segmenter is, in [0, 1]."""

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise ValueError(f"mask: bool (H, W) expected, got {self.mask.dtype} {self.mask.shape}")
        if not 0 <= self.score <= 1:
            raise ValueError(f"score: in [0, 1] expected, got {self.score}")


def _check(
    array: npt.NDArray[np.generic], name: str, shape: tuple[int, ...], dtype: type[np.generic]
) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(
            f"{name}: {np.dtype(dtype).name} {shape} expected, got {array.dtype} {array.shape}"
        )
