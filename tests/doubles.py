"""Parts that stand in for models: they do the real thing on pictures that make it easy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from PIL import Image

from alref_agent import registry
from alref_agent.config import Config
from alref_agent.media.video import open_video
from alref_agent.progress import Progress
from alref_agent.tools.tool import Backend, Tool, Toolbox
from alref_agent.types import Detections, Frame, Grounding, ObjectMask, Prompt, Target, Video
from alref_agent.workspace import Workspace

N_FRAMES, HEIGHT, WIDTH = 12, 48, 64


def big_square(frame_idx: int) -> tuple[int, int, int, int]:
    """xyxy of the square that moves, on every frame."""
    return 4 + 3 * frame_idx, 10, 18 + 3 * frame_idx, 24


def small_square(frame_idx: int) -> tuple[int, int, int, int] | None:
    """xyxy of the square that stands, from frame 4 on."""
    return (30, 34, 38, 42) if frame_idx >= 4 else None


def picture(frame_idx: int) -> Frame:
    frame = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    for box in (big_square(frame_idx), small_square(frame_idx)):
        if box is not None:
            x0, y0, x1, y1 = box
            frame[y0:y1, x0:x1] = (220, 30, 30)
    return frame


def write_frames(folder: Path) -> Path:
    folder.mkdir()
    for i in range(N_FRAMES):
        Image.fromarray(picture(i)).save(folder / f"{i:05d}.png")
    return folder


class SquareDetector:
    """Finds the squares: 'square' (any), 'big square', 'small square', 'two squares'."""

    version = "1"
    batch_size = 1

    def __init__(self) -> None:
        self.looked_at: list[int] = []

    @classmethod
    def from_config(cls, config: Config) -> Self:
        return cls()

    def ground(self, expression: str) -> Grounding:
        if "square" not in expression:
            return Grounding((), "Only squares are known.")
        count = 2 if "two" in expression else 1
        return Grounding((Target("square", "square", 0.9, count),), "'square' is a square.")

    def detect(
        self,
        frames: Mapping[int, Frame],
        expressions: Sequence[str],
        box_threshold: float | None = None,
    ) -> Sequence[Sequence[Detections]]:
        return [self._look(i, frame, expressions) for i, frame in frames.items()]

    def _look(self, frame_idx: int, frame: Frame, expressions: Sequence[str]) -> list[Detections]:
        self.looked_at.append(frame_idx)
        red = (frame[..., 0] > 150) & (frame[..., 1] < 100)
        _, _, stats, _ = cv2.connectedComponentsWithStats(red.astype(np.uint8))
        blobs = sorted(stats[1:].tolist(), key=lambda blob: -blob[4])
        answers = []
        for expression in expressions:
            mine = blobs if "square" in expression else []
            if "big" in expression:
                mine = [blob for blob in mine if blob[4] > 100]
            if "small" in expression:
                mine = [blob for blob in mine if blob[4] <= 100]
            n = len(mine)
            answers.append(
                Detections(
                    frame_idx,
                    np.array([(x, y, x + w, y + h) for x, y, w, h, _ in mine], np.float32).reshape(
                        n, 4
                    ),
                    # The later the surer, and the large one surer than the small one.
                    np.array(
                        [min(1, a / 400 + 0.2 + frame_idx / 100) for *_, a in mine], np.float32
                    ),
                    ("square",) * n,
                    np.zeros(n, np.int32),
                )
            )
        return answers


class NearestBoxSegmenter:
    """On each frame an object is what is red in the box of its nearest prompt, grown a little."""

    version = "1"

    @classmethod
    def from_config(cls, config: Config) -> Self:
        return cls()

    def segment(self, video: Video, prompts: Sequence[Prompt]) -> Iterator[ObjectMask]:
        for frame_idx, frame in video.frames():
            red = (frame[..., 0] > 150) & (frame[..., 1] < 100)
            taken = np.zeros_like(red)
            for obj_id in sorted({prompt.obj_id for prompt in prompts}):
                mine = [p for p in prompts if p.obj_id == obj_id and p.box is not None]
                nearest = min(mine, key=lambda p: abs(p.frame_idx - frame_idx))
                assert nearest.box is not None
                x0, y0, x1, y1 = (int(v) for v in nearest.box)
                mask = np.zeros_like(red)
                mask[max(0, y0 - 3) : y1 + 3, max(0, x0 - 3) : x1 + 3] = True
                mask &= red & ~taken
                taken |= mask
                yield ObjectMask(obj_id, frame_idx, mask)


def toolbox(
    detector: Any = None, segmenter: Any = None, settings: dict[str, Any] | None = None
) -> Toolbox:
    """All built-in tools over the doubles, or over the given backends."""
    parts = {
        "detector": detector or SquareDetector(),
        "segmenter": segmenter or NearestBoxSegmenter(),
    }
    tools: dict[str, Callable[[], Tool[Any, Any]]] = {}
    for name in registry.BUILT_IN["tool"]:
        tool = registry.load("tool", name)
        kind = tool.backend_kind
        backend = (
            Backend(kind, "double", partial(parts.get, kind), settings or {}) if kind else None
        )
        tools[name] = partial(tool, backend)
    return Toolbox(tools)


def workspace(folder: Path, frames: Path, progress: Progress | None = None) -> Workspace:
    folder.mkdir(exist_ok=True)
    return Workspace.create(folder, open_video(frames), {}, progress)
