"""Frames in windows, each a contact sheet, as the paper has them, and how they are put in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alref_agent.config import Config
from alref_agent.media.palette import colour_name
from alref_agent.providers.messages import Picture
from alref_agent.tools.frames import SampledFrame, SampleFrames
from alref_agent.tools.sheets import ContactSheet, SheetBoxes
from alref_agent.types import Detections
from alref_agent.workspace import Workspace

LAYOUTS = {
    "vertical": "stacked from top to bottom",
    "horizontal": "side by side from left to right",
    "grid": "in rows, read from left to right and top to bottom",
    "separate": "sent as separate pictures, in order",
}
"""Setting -> how a prompt says it."""


@dataclass(frozen=True)
class Window:
    """Frames that are looked at together."""

    number: int
    """From 1."""
    frames: tuple[SampledFrame, ...]

    @property
    def frame_idxs(self) -> list[int]:
        """The `frame_idx` of picture 1, picture 2 and so on."""
        return [frame.frame_idx for frame in self.frames]


class Windows:
    """Cuts a video into windows and makes their sheets."""

    def __init__(self, sample: SampleFrames, sheet: ContactSheet, config: Config) -> None:
        self._sample = sample
        self._sheet = sheet
        self._sampling = config.sampling
        self._skip_single = config.gpt_ps.skip_single

    def of(self, workspace: Workspace) -> list[Window]:
        """The windows of a video: every `sampling.step`-th frame, `frames_per_sheet` at a time."""
        step, size = self._sampling.step, self._sampling.frames_per_sheet
        sampled = self._sample(workspace, step=step).frames
        # The tool adds the last frame of the video; the paper does not.
        frames = [frame for frame in sampled if frame.frame_idx % step == 0]
        chunks = [tuple(frames[i : i + size]) for i in range(0, len(frames), size)]
        if self._skip_single and size > 1:
            chunks = [chunk for chunk in chunks if len(chunk) > 1] or chunks
        return [Window(number, chunk) for number, chunk in enumerate(chunks, start=1)]

    def pictures(
        self,
        workspace: Workspace,
        window: Window,
        pivot: int | None = None,
        candidates: Detections | None = None,
    ) -> tuple[Picture, ...]:
        """The sheet of a window, with the candidates drawn on one of its frames.

        Args:
            workspace: Where the sheet is kept.
            window: The frames.
            pivot: Number of the frame on which boxes are drawn.
            candidates: The boxes.
        """
        boxes = []
        if pivot is not None and candidates is not None:
            boxes = [SheetBoxes(picture=pivot, boxes=candidates.boxes.tolist())]
        made = self._sheet(
            workspace,
            frames=window.frame_idxs,
            layout=self._sampling.layout,
            max_side=self._sampling.max_side,
            max_bytes=self._sampling.max_bytes,
            boxes=[each.model_dump() for each in boxes],
        )
        return tuple(
            Picture(
                data=(workspace.folder / file.file).read_bytes(),
                mime_type=file.mime_type,
                digest=file.digest,
                file=file.file,
                size=(file.height, file.width),
            )
            for file in made.files
        )

    def words(self, window: Window, n_windows: int) -> dict[str, Any]:
        """What prompts may say of a window."""
        seconds = [frame.seconds for frame in window.frames]
        gaps = len(seconds) - 1
        return {
            "n_frames": len(window.frames),
            "frames": [
                {"number": n, "frame_idx": frame.frame_idx, "seconds": frame.seconds}
                for n, frame in enumerate(window.frames, start=1)
            ],
            "layout": LAYOUTS[self._sampling.layout],
            "seconds_between": round((seconds[-1] - seconds[0]) / gaps, 2) if gaps else 0.0,
            "window": window.number,
            "n_windows": n_windows,
        }


def box_words(said: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What prompts say of the boxes that are drawn, from what is said of each as a sighting."""
    return [
        {"number": n, "colour": colour_name(n - 1)} | dict(words)
        for n, words in enumerate(said, start=1)
    ]
