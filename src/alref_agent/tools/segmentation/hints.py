"""What the prompts of one object say of where it is, on every frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from alref_agent.tools.segmentation.evidence import CERTAIN
from alref_agent.types import Floats, Mask, Prompt

FAR = 25
"""Between prompts further apart than this, in frames, boxes are not interpolated."""
_AROUND_POINTS = 0.15
"""Points without a box: the object is looked for this far around them, in short sides."""


class Hints:
    """The prompts of one object, at the working size."""

    def __init__(
        self, prompts: Sequence[Prompt], size: tuple[int, int], video_size: tuple[int, int]
    ) -> None:
        """Scale the prompts.

        Args:
            prompts: Of one object, at video resolution.
            size: `(h, w)`, the working size.
            video_size: `(H, W)`.
        """
        self.masks: dict[int, Mask] = {}
        """Frame -> mask at the working size."""
        self.drawn: dict[int, Mask] = {}
        """Frame -> mask at video resolution."""
        self.reach = max(1.0, min(size) / 80)
        """What a point speaks for around it, in pixels."""
        self._points: dict[int, list[tuple[Floats, npt.NDArray[np.bool_]]]] = {}
        boxes: dict[int, Floats] = {}
        guesses: dict[int, Floats] = {}
        scale = np.array([size[1] / video_size[1], size[0] / video_size[0]], np.float32)
        for prompt in prompts:
            t = prompt.frame_idx
            if prompt.mask is not None:
                self.drawn[t] = prompt.mask
                self.masks[t] = _shrunk(prompt.mask, size)
                around = mask_box(self.masks[t])
                if around is not None:
                    boxes[t] = around
            if prompt.box is not None:
                boxes.setdefault(t, prompt.box * np.tile(scale, 2))
            if prompt.points is not None and prompt.labels is not None:
                points = prompt.points * scale
                self._points.setdefault(t, []).append((points, prompt.labels))
                on = points[prompt.labels]
                if len(on):
                    margin = np.float32(_AROUND_POINTS * min(size))
                    guesses[t] = np.concatenate([on.min(axis=0) - margin, on.max(axis=0) + margin])
        for t, guess in guesses.items():
            boxes.setdefault(t, guess)
        self._frames = sorted(boxes)
        self._boxes = np.array([boxes[t] for t in self._frames], np.float32).reshape(-1, 4)

    def box(self, frame_idx: int) -> Floats | None:
        """`(4,)` float32: the box on the frame, interpolated between near prompts, or None."""
        after = int(np.searchsorted(self._frames, frame_idx))
        if after < len(self._frames) and self._frames[after] == frame_idx:
            return np.asarray(self._boxes[after], np.float32)
        if after in (0, len(self._frames)):
            return None
        left, right = self._frames[after - 1], self._frames[after]
        if right - left > FAR:
            return None
        share = np.float32((frame_idx - left) / (right - left))
        return np.asarray(
            self._boxes[after - 1] * (1 - share) + self._boxes[after] * share, np.float32
        )

    def points_at(self, frame_idx: int) -> Iterator[tuple[Floats, float]]:
        """Points on the frame, `(n, 2)`, and the log-odds that they fix; those beside it last."""
        for on in (True, False):
            for points, labels in self._points.get(frame_idx, []):
                yield points[labels == on], CERTAIN if on else -CERTAIN


def mask_box(mask: Mask) -> Floats | None:
    """`(4,)` float32 xyxy around the mask; None where it is empty."""
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(ys) == 0:
        return None
    return np.array([xs[0], ys[0], xs[-1] + 1, ys[-1] + 1], np.float32)


def _shrunk(mask: Mask, size: tuple[int, int]) -> Mask:
    share = cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
    small = np.asarray(share >= 0.5, np.bool_)
    # A mask thinner than a pixel of the working size must not vanish.
    return small if small.any() else np.asarray(share > 0, np.bool_)
