"""Textures that move, with the truth: for tests of linking and of the segmenter `flow`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from alref_agent.types import Frame, Mask

HEIGHT, WIDTH = 120, 160


def texture(seed: int, colour: Sequence[int], height: int = 400, width: int = 400) -> Frame:
    """Blotches around a colour."""
    noise = np.random.default_rng(seed).normal(0, 1, (height, width, 1)).astype(np.float32)
    blotches = cv2.GaussianBlur(noise, (0, 0), 1.5)
    blotches = blotches / blotches.std() * 22
    coloured = np.asarray(colour, np.float32) + blotches[..., None]
    return np.asarray(np.clip(coloured, 0, 255), np.uint8)


class MadeVideo:
    """A video whose frames are made when they are asked for."""

    def __init__(
        self, n_frames: int, draw: Callable[[int], Frame], height: int = HEIGHT, width: int = WIDTH
    ) -> None:
        self.n_frames, self.height, self.width, self.fps = n_frames, height, width, 24.0
        self._draw = draw
        self.passes = 0

    def time(self, frame_idx: int) -> float:
        return frame_idx / self.fps

    def frame_name(self, frame_idx: int) -> str:
        return f"{frame_idx:05d}"

    def frame(self, frame_idx: int) -> Frame:
        return self._draw(frame_idx)

    def frames_at(self, frame_idxs: Sequence[int]) -> Iterator[tuple[int, Frame]]:
        for idx in frame_idxs:
            yield idx, self._draw(idx)

    def frames(
        self, start: int = 0, stop: int | None = None, step: int = 1
    ) -> Iterator[tuple[int, Frame]]:
        self.passes += 1
        if stop is None:
            stop = self.n_frames if step > 0 else -1
        for idx in range(start, stop, step):
            yield idx, self._draw(idx)


class Patch:
    """A rectangle of texture that moves evenly over a background that the camera pans over."""

    def __init__(
        self,
        start: tuple[float, float],
        speed: tuple[float, float],
        size: tuple[int, int] = (36, 28),
        colour: Sequence[int] = (200, 60, 50),
        seed: int = 1,
    ) -> None:
        self.start, self.speed, (self.w, self.h) = start, speed, size
        self._texture = texture(seed, colour)[: self.h, : self.w]

    def box(self, t: int) -> tuple[int, int, int, int]:
        """xyxy on frame `t`, perhaps beyond the picture."""
        x = round(self.start[0] + t * self.speed[0])
        y = round(self.start[1] + t * self.speed[1])
        return x, y, x + self.w, y + self.h

    def mask(self, t: int) -> Mask:
        mask = np.zeros((HEIGHT, WIDTH), np.bool_)
        x0, y0, x1, y1 = self.box(t)
        mask[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
        return mask

    def paint(self, frame: Frame, t: int) -> None:
        x0, y0, _, _ = self.box(t)
        ys, xs = np.nonzero(self.mask(t))
        frame[ys, xs] = self._texture[ys - y0, xs - x0]


def pan(
    n_frames: int,
    patches: Sequence[Patch],
    *,
    speed: float = 1.0,
    colour: Sequence[int] = (90, 120, 90),
) -> MadeVideo:
    """Patches before a background over which the camera pans, in pixels a frame."""
    ground = texture(0, colour, HEIGHT, WIDTH + 400)

    def draw(t: int) -> Frame:
        left = round(t * speed)
        frame = ground[:, left : left + WIDTH].copy()
        for patch in patches:
            patch.paint(frame, t)
        return frame

    return MadeVideo(n_frames, draw)


def iou(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float:
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0
