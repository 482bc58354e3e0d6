"""What the prompts say of where an object is, on every frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from alref_agent.types import Floats, Mask, Prompt

FAR = 25
"""Between prompts further apart than this, in frames, boxes are not interpolated."""


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
        import cv2

        self.masks: dict[int, Mask] = {}
        self.points: dict[int, tuple[Floats, npt.NDArray[np.bool_]]] = {}
        boxes: dict[int, Floats] = {}
        scale = np.array([size[1] / video_size[1], size[0] / video_size[0]], np.float32)
        for prompt in prompts:
            t = prompt.frame_idx
            if prompt.mask is not None:
                small = cv2.resize(
                    prompt.mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA
                )
                self.masks[t] = small >= 0.5
                box = mask_box(self.masks[t])
                if box is not None:
                    boxes[t] = box
            if prompt.box is not None:
                boxes.setdefault(t, prompt.box * np.tile(scale, 2))
            if prompt.points is not None and prompt.labels is not None:
                self.points[t] = (prompt.points * scale, prompt.labels)
        self._frames = sorted(boxes)
        self._boxes = np.array([boxes[t] for t in self._frames], np.float32).reshape(-1, 4)
        every = sorted({p.frame_idx for p in prompts})
        self.first, self.last = every[0], every[-1]

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


def mask_box(mask: Mask) -> Floats | None:
    """`(4,)` float32 xyxy around the mask; None where it is empty."""
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(ys) == 0:
        return None
    return np.array([xs[0], ys[0], xs[-1] + 1, ys[-1] + 1], np.float32)
