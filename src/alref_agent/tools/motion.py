"""Motion: dense flow between two frames, and what of it is the camera's.

Everything works on small grey frames; flows are in pixels of those. A flow from `a` to `b` says for
each pixel of `a` where its content lies in `b`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from alref_agent.types import Floats, Frame

Grey: TypeAlias = npt.NDArray[np.uint8]
"""Grey levels, `(h, w)`, uint8."""

FlowField: TypeAlias = Floats
"""`(h, w, 2)` float32: movement to the right and down, in pixels."""

FlowFunction: TypeAlias = Callable[[Grey, Grey], FlowField]

_SMALLEST_SIDE = 16
"""Below this many pixels a side, dense flow is not computed: it has no pyramid to work on."""


def working_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """`(h, w)` with the frame's aspect and this short side; never larger than the frame."""
    scale = min(1.0, short_side / min(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def shrink(frame: Frame, size: tuple[int, int]) -> Frame:
    """The frame at `size`, `(h, w)`; each pixel is the mean of those that it stands for."""
    if frame.shape[:2] == size:
        return frame
    return np.asarray(cv2.resize(frame, (size[1], size[0]), interpolation=cv2.INTER_AREA), np.uint8)


def grey(frame: Frame) -> Grey:
    """The frame's grey levels."""
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)


def dense_flow() -> FlowFunction:
    """A function that computes the flow from one grey frame to another.

    It is DIS (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016) as OpenCV
    has it, searched down to single pixels and without variational refinement, which would draw
    motion across outlines. Frames too small for it get a flow of zeros. Its result does not
    depend on the number of threads. The function keeps buffers: it is for one thread at a time.
    """
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    engine.setFinestScale(0)
    engine.setGradientDescentIterations(12)
    engine.setVariationalRefinementIterations(0)

    def flow(a: Grey, b: Grey) -> FlowField:
        if min(a.shape) < _SMALLEST_SIDE:
            return np.zeros((*a.shape, 2), np.float32)
        # The stubs want an array where None asks for a new one.
        start = np.zeros((*a.shape, 2), np.float32)
        field = np.asarray(engine.calc(a, b, start), np.float32)
        return np.nan_to_num(field, copy=False, nan=0.0, posinf=0.0, neginf=0.0)

    return flow


def camera_flow(flow: FlowField, outside: npt.NDArray[np.bool_]) -> FlowField:
    """The flow that the scene would show if nothing but the camera moved.

    A homography by RANSAC from the pixels `outside` the objects; where that fails, a
    similarity; where that fails too, the median shift.

    Args:
        flow: `(h, w, 2)`.
        outside: `(h, w)` bool: pixels that are probably still; with too few of them all are used.

    Returns:
        `(h, w, 2)` float32.
    """
    h, w = flow.shape[:2]
    step = max(1, round(max(h, w) / 60))
    ys, xs = np.mgrid[step // 2 : h : step, step // 2 : w : step]
    keep = outside[ys, xs].ravel()
    if np.count_nonzero(keep) < 32:
        keep[:] = True
    source = np.stack([xs.ravel(), ys.ravel()], axis=1).astype(np.float32)[keep]
    moved = source + flow[ys, xs].reshape(-1, 2)[keep]
    matrix = _homography(source, moved, (h, w))
    grid = np.stack(np.meshgrid(np.arange(w), np.arange(h)), axis=2).astype(np.float32)
    if matrix is None:
        shift = np.median(moved - source, axis=0).astype(np.float32)
        return np.broadcast_to(shift, grid.shape).copy()
    target = cv2.perspectiveTransform(grid.reshape(-1, 1, 2), matrix).reshape(h, w, 2)
    return np.asarray(target - grid, np.float32)


def _homography(
    source: Floats, moved: Floats, size: tuple[int, int]
) -> npt.NDArray[np.float64] | None:
    """The best homography or similarity, or None if neither describes the points."""
    if len(source) < 8:
        return None
    # A pixel of tolerance at 240 rows: flow is no better than that.
    tolerance = max(0.5, min(size) / 240)
    found, inliers = cv2.findHomography(source, moved, cv2.RANSAC, tolerance, maxIters=500)
    if found is not None and inliers.mean() > 0.3:
        matrix = np.asarray(found, np.float64)
        if _is_plausible(matrix, size):
            return matrix
    affine, inliers = cv2.estimateAffinePartial2D(
        source, moved, method=cv2.RANSAC, ransacReprojThreshold=2 * tolerance
    )
    if affine is None or inliers.mean() <= 0.2:
        return None
    matrix = np.vstack([np.asarray(affine, np.float64), [[0, 0, 1]]])
    return matrix if _is_plausible(matrix, size) else None


def _is_plausible(matrix: npt.NDArray[np.float64], size: tuple[int, int]) -> bool:
    """Whether it keeps the frame's corners in order and within a frame's width."""
    h, w = size
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    if not np.all(np.isfinite(matrix)):
        return False
    # A point behind the camera has a last coordinate of the other sign.
    last = np.c_[corners, np.ones(4)] @ matrix[2]
    if np.any(last <= 0.1):
        return False
    moved = cv2.perspectiveTransform(corners[:, None], matrix)[:, 0]
    area = cv2.contourArea(moved.astype(np.float32), oriented=True)
    expected = cv2.contourArea(corners, oriented=True)
    return bool(np.abs(moved - corners).max() < max(h, w)) and 0.25 < area / expected < 4


def follow(field: npt.NDArray[np.float32], flow: FlowField) -> Floats:
    """The field of frame `b` as seen from frame `a`, with the flow from `a` to `b`.

    Args:
        field: `(h, w)` or `(h, w, C)` float32 on frame `b`.
        flow: `(h, w, 2)` from `a` to `b`.

    Returns:
        The same shape on frame `a`; content from beyond the frame is 0.
    """
    h, w = flow.shape[:2]
    grid_x, grid_y = np.meshgrid(
        np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32), copy=False
    )
    return np.asarray(
        cv2.remap(field, grid_x + flow[..., 0], grid_y + flow[..., 1], cv2.INTER_LINEAR),
        np.float32,
    )
