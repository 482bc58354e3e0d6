"""Where boxes drift: one pass over the video that carries detected boxes along the optical flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from alref_agent.progress import Progress
from alref_agent.tools.motion import (
    FlowField,
    camera_flow,
    dense_flow,
    grey,
    shrink,
    working_size,
)
from alref_agent.types import Floats, Frame, Video

SHORT_SIDE = 144
"""Boxes need no finer flow than this."""
BINS = 6
"""Of each colour channel, in a box's histogram."""


@dataclass(frozen=True, eq=False)
class Sightings:
    """What one pass over the video tells of boxes on sampled frames.

    `N` boxes in all, in the order of the sampled frames; `S` sampled frames.
    """

    frame_idxs: npt.NDArray[np.int32]
    """`(S,)` int32, increasing."""
    steps: npt.NDArray[np.int32]
    """`(N,)` int32: the sampled frame of each box, as an index into `frame_idxs`."""
    boxes: Floats
    """`(N, 4)` float32, xyxy in pixels."""
    histograms: npt.NDArray[np.float16]
    """`(N, B)` float16: colours in the middle of each box; sums to 1."""
    speeds: Floats
    """`(N,)` float32: against the camera, in widths of the frame a second."""
    carried: Floats
    """`(N, K, 4)` float32: where the flow carries each box to by the next `K` sampled frames; NaN
    beyond the last one."""


def watch(
    video: Video,
    frame_idxs: Sequence[int],
    boxes: Sequence[Floats],
    *,
    horizon: int,
    progress: Progress,
) -> Sightings:
    """Carry the boxes of every sampled frame along the flow, in one pass over the video.

    Args:
        video: Read once, from the first sampled frame to the last.
        frame_idxs: `S` sampled frames, increasing.
        boxes: For each of them `(n, 4)`, xyxy in pixels.
        horizon: For how many sampled frames a box is carried.
        progress: Told of every frame.
    """
    counts = [len(b) for b in boxes]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    total = int(offsets[-1])
    carried = np.full((total, horizon, 4), np.nan, np.float32)
    histograms = np.zeros((total, BINS**3), np.float16)
    speeds, n_speeds = np.zeros(total, np.float32), np.zeros(total, np.float32)
    size = working_size(video.height, video.width, SHORT_SIDE)
    scale = np.array([size[1] / video.width, size[0] / video.height] * 2, np.float32)
    flow_of = dense_flow()
    live, places = np.zeros(0, np.int64), np.zeros((0, 4), np.float32)
    step_of = {idx: step for step, idx in enumerate(frame_idxs)}
    step = -1
    previous: npt.NDArray[np.uint8] | None = None
    start, stop = (frame_idxs[0], frame_idxs[-1] + 1) if total else (0, 0)
    for idx, frame in progress.track(video.frames(start, stop), "link", stop - start):
        small = shrink(frame, size)
        now = grey(small)
        if previous is not None and len(live):
            moved, against = _drift(flow_of(previous, now), places)
            fresh = live >= offsets[step]
            speeds[live[fresh]] += against[fresh]
            n_speeds[live[fresh]] += 1
            places = places + moved
        previous = now
        if idx not in step_of:
            continue
        step = step_of[idx]
        age = step - (np.searchsorted(offsets, live, side="right") - 1)
        carried[live, age - 1] = places / scale
        young = age < horizon
        new = np.arange(offsets[step], offsets[step + 1])
        histograms[new] = _histograms(small, boxes[step] * scale)
        live = np.concatenate([live[young], new])
        places = np.concatenate([places[young], boxes[step] * scale])
    per_second = video.fps / size[1]
    return Sightings(
        np.asarray(frame_idxs, np.int32),
        np.repeat(np.arange(len(boxes)), counts).astype(np.int32),
        np.concatenate([*boxes, np.zeros((0, 4), np.float32)]).astype(np.float32),
        histograms,
        (speeds / np.maximum(n_speeds, 1) * per_second).astype(np.float32),
        carried,
    )


def _drift(flow: FlowField, places: Floats) -> tuple[Floats, Floats]:
    """How boxes move: `(n, 4)` shift in pixels, and `(n,)` speed against the camera."""
    h, w = flow.shape[:2]
    outside = np.ones((h, w), np.bool_)
    for x0, y0, x1, y1 in _whole(places, (h, w)):
        outside[y0:y1, x0:x1] = False
    against = np.linalg.norm(flow - camera_flow(flow, outside), axis=2)
    # What still things seem to move by: noise of the flow, parallax.
    noise = float(np.median(against[outside])) if outside.any() else 0.0
    summed = cv2.integral(np.dstack([flow, against]), sdepth=cv2.CV_64F)
    middle = _whole(_middle(places), (h, w))
    x0, y0, x1, y1 = middle.T
    area = ((x1 - x0) * (y1 - y0))[:, None]
    mean = (summed[y1, x1] - summed[y0, x1] - summed[y1, x0] + summed[y0, x0]) / area
    shift = np.concatenate([mean[:, :2], mean[:, :2]], axis=1).astype(np.float32)
    return shift, np.maximum(mean[:, 2] - noise, 0).astype(np.float32)


def _histograms(small: Frame, places: Floats) -> npt.NDArray[np.float16]:
    bins = small.astype(np.int32) * BINS // 256
    codes = (bins[..., 0] * BINS + bins[..., 1]) * BINS + bins[..., 2]
    counts = np.zeros((len(places), BINS**3), np.float32)
    for row, (x0, y0, x1, y1) in enumerate(_whole(_middle(places), codes.shape)):
        counts[row] = np.bincount(codes[y0:y1, x0:x1].ravel(), minlength=BINS**3)
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), np.float16)


def _middle(places: Floats) -> Floats:
    """The middle half of each side, where a box rarely shows background."""
    centre = np.tile((places[:, :2] + places[:, 2:]) / 2, 2)
    return np.asarray((places + centre) / 2, np.float32)


def _whole(places: Floats, size: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Boxes as whole pixels inside the frame, at least one pixel each."""
    h, w = size
    low = np.clip(np.floor(places[:, :2]), 0, [w - 1, h - 1]).astype(np.int64)
    high = np.clip(np.ceil(places[:, 2:]), low + 1, [w, h]).astype(np.int64)
    return np.concatenate([low, high], axis=1)
