"""Frames with the optical flow to their neighbours, in one pass that holds a few of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from alref_agent.tools.motion import FlowField, Grey, dense_flow, grey, shrink
from alref_agent.types import Frame, Video

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Pair:
    """A frame, and how it moves to its neighbours in the order of the pass."""

    frame_idx: int
    frame: Frame
    """At video resolution."""
    small: Frame
    """At the working size, `(h, w, 3)`."""
    to_last: FlowField | None
    """To the frame that the pass saw before, at the working size; None at its start."""
    to_next: FlowField | None
    """To the frame that it sees next; None at its end, and where it was not asked for."""

    @property
    def size(self) -> tuple[int, int]:
        """`(h, w)`, the working size."""
        return self.small.shape[0], self.small.shape[1]


def pairs(video: Video, size: tuple[int, int], *, backward: bool = False) -> Iterator[Pair]:
    """Every frame: forward with the flow to the last one, backward with the flow to both sides.

    Args:
        video: Read once, one frame ahead.
        size: `(h, w)`, the working size.
        backward: From the last frame to the first.
    """
    # Flow is half of the work, and does not depend on the other half.
    return ahead(_pairs(video, size, backward))


def _pairs(video: Video, size: tuple[int, int], backward: bool) -> Iterator[Pair]:
    flow_of = dense_flow()
    frames = video.frames(video.n_frames - 1, None, -1) if backward else video.frames()
    held: tuple[int, Frame, Frame, Grey] | None = None
    to_last: FlowField | None = None
    for idx, frame in frames:
        small = shrink(frame, size)
        now = grey(small)
        if held is not None:
            yield Pair(*held[:3], to_last, flow_of(held[3], now) if backward else None)
            to_last = flow_of(now, held[3])
        held = (idx, frame, small, now)
    if held is not None:
        yield Pair(*held[:3], to_last, None)


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each made by another thread while the one before it is worked on."""
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as worker:
        coming = worker.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = worker.submit(next, items, end)
            yield item  # type: ignore[misc]
