"""What an agent has beside the typed tools: it looks at frames that it chooses."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from alref_agent.agent.boxes import numbers
from alref_agent.agent.pivots import candidates
from alref_agent.config import Config
from alref_agent.errors import ConfigError
from alref_agent.providers.messages import Picture
from alref_agent.tools.sheets import MOST_BOXES, ContactSheet, SheetBoxes
from alref_agent.tools.tool import Arguments
from alref_agent.workspace import Workspace

NAME = "look_at_frames"
SUMMARY = (
    "Look at frames of the video: you are shown a picture of them, each with its number from 1 in "
    "a disc, and boxes drawn on them with their numbers if you want."
)


class LookArguments(Arguments):
    """Which frames are shown, and which boxes on them."""

    frames: list[int] = Field(
        min_length=1, max_length=8, description="frame_idx of picture 1, 2, …"
    )
    detections: str | None = Field(
        None, description="Id from detect_objects: its boxes on these frames are drawn and listed."
    )
    boxes: list[SheetBoxes] = Field([], description="Boxes of your own to draw, by picture.")


@dataclass(frozen=True)
class Look:
    """What is shown."""

    text: str
    """What the pictures show, for the tool's answer."""
    caption: str
    """What stands below the pictures."""
    pictures: tuple[Picture, ...]
    frames: tuple[int, ...]
    """`frame_idx` of picture 1, 2, …"""


class LookAtFrames:
    """Shows frames by the tool `contact_sheet`, so that each look is in the record."""

    def __init__(self, sheet: ContactSheet, config: Config) -> None:
        self._sheet = sheet
        self._sampling = config.sampling
        self._most = min(config.gpt_ps.max_candidates, MOST_BOXES)

    def __call__(self, workspace: Workspace, arguments: LookArguments) -> Look:
        """Show frames.

        Raises:
            ConfigError: Frames, boxes or an id that are not there.
        """
        boxes = [each.model_dump() for each in arguments.boxes]
        lines: list[str] = []
        if arguments.detections is not None:
            if boxes:
                raise ConfigError(f"{NAME}: detections or boxes, not both.")
            boxes, lines = self._found(workspace, arguments.frames, arguments.detections)
        made = self._sheet(
            workspace,
            frames=arguments.frames,
            layout=self._sampling.layout,
            max_side=self._sampling.max_side,
            max_bytes=self._sampling.max_bytes,
            boxes=boxes,
        )
        pictures = tuple(
            Picture(
                data=(workspace.folder / file.file).read_bytes(),
                mime_type=file.mime_type,
                digest=file.digest,
                file=file.file,
                size=(file.height, file.width),
            )
            for file in made.files
        )
        named = ", ".join(f"{n}: frame_idx {i}" for n, i in enumerate(arguments.frames, start=1))
        return Look(
            text="\n".join([f"Shown below. {named}.", *lines]),
            caption=f"The frames that you asked to look at. {named}.",
            pictures=pictures,
            frames=tuple(arguments.frames),
        )

    def _found(
        self, workspace: Workspace, frames: list[int], item: str
    ) -> tuple[list[dict[str, object]], list[str]]:
        """The best boxes on each frame, to draw and in words."""
        found = {each.frame_idx: each for each in workspace.detections(item)[2]}
        boxes: list[dict[str, object]] = []
        lines: list[str] = []
        for picture, frame_idx in enumerate(frames, start=1):
            best = candidates(found, frame_idx, self._most)
            if best is None:
                why = "no box there" if frame_idx in found else "not looked at by detect_objects"
                lines.append(f"Picture {picture}: {why}.")
                continue
            plain = [numbers(box) for box in best.boxes]
            boxes.append({"picture": picture, "boxes": plain})
            lines += [
                f"Picture {picture}, box {n}: {list(box)}, {phrase!r}, score {score:.2f}"
                for n, (box, phrase, score) in enumerate(
                    zip(plain, best.phrases, best.scores.tolist(), strict=True), start=1
                )
            ]
        return boxes, lines
