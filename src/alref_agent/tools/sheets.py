"""What an LLM looks at: `contact_sheet` joins frames into a picture and draws boxes on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from alref_agent.errors import ConfigError
from alref_agent.media.atomic import whole_file
from alref_agent.media.palette import COLOURS
from alref_agent.media.sheet import encoded_sheets
from alref_agent.media.sheet_layout import Layout
from alref_agent.tools.frames import check_frames
from alref_agent.tools.tool import Arguments, Result, Tool
from alref_agent.types import Floats, Frame, Video
from alref_agent.workspace import Workspace

MOST_BOXES = len(COLOURS)
"""On one picture: as many as there are colours to tell them apart."""


class SheetBoxes(Arguments):
    """Boxes drawn on one picture, labelled 1, 2, … in their order."""

    picture: int = Field(ge=1, description="Number of the picture.")
    boxes: list[tuple[float, float, float, float]] = Field(
        max_length=MOST_BOXES, description="xyxy in pixels of the video."
    )


class ContactSheetArguments(Arguments):
    """Which frames are joined, and how."""

    frames: list[int] = Field(
        min_length=1, max_length=64, description="frame_idx of picture 1, 2, …"
    )
    layout: Layout = Field("vertical", description="How they are joined; separate: a file each.")
    max_side: int = Field(2048, ge=256, le=8192, description="Longest side of a file in pixels.")
    max_bytes: int = Field(4_000_000, ge=20_000, description="Most bytes of a file.")
    boxes: list[SheetBoxes] = Field([], description="Boxes to draw, by picture.")


class SheetFile(Result):
    """One picture file."""

    file: str = Field(description="Relative to the workspace.")
    mime_type: str
    digest: str = Field(description="Of its pixels before they were encoded.")
    height: int
    width: int
    numbers: list[int] = Field(description="Numbers of the pictures on it.")


class ContactSheetResult(Result):
    """Where the sheets lie."""

    files: list[SheetFile]
    frames: list[int] = Field(description="frame_idx of picture 1, 2, …")


class ContactSheet(Tool[ContactSheetArguments, ContactSheetResult]):
    """Join frames into pictures that a model can read, each with its number, from 1, in a disc."""

    name = "contact_sheet"
    summary = (
        "Join frames into one picture in which each carries its number, from 1, in a disc, and "
        "draw numbered boxes on them."
    )
    arguments = ContactSheetArguments
    result = ContactSheetResult

    def run(self, workspace: Workspace, arguments: ContactSheetArguments) -> ContactSheetResult:
        """Join; see the class."""
        frames = arguments.frames
        check_frames(workspace, frames)
        twice = sorted({i for i in frames if frames.count(i) > 1})
        if twice:
            raise ConfigError(f"contact_sheet: frames: {twice[0]} is there twice.")
        video = workspace.video
        boxes = _boxes(arguments.boxes, len(frames), video)
        files = []
        for sheet in encoded_sheets(
            _Chosen(video, frames), arguments.layout, arguments.max_side, arguments.max_bytes, boxes
        ):
            # Named by content, so that a call that is done again writes the same file.
            file = workspace.folder / "record" / "sheets" / f"{sheet.digest[:16]}.jpg"
            with whole_file(file) as path:
                path.write_bytes(sheet.data)
            files.append(
                SheetFile(
                    file=file.relative_to(workspace.folder).as_posix(),
                    mime_type=sheet.mime_type,
                    digest=sheet.digest,
                    height=sheet.height,
                    width=sheet.width,
                    numbers=list(sheet.numbers),
                )
            )
        return ContactSheetResult(files=files, frames=frames)


class _Chosen:
    """Some frames of a video, decoded when they are asked for."""

    def __init__(self, video: Video, frame_idxs: Sequence[int]) -> None:
        self._video = video
        self._frame_idxs = frame_idxs

    def __len__(self) -> int:
        return len(self._frame_idxs)

    def __getitem__(self, index: int, /) -> Frame:
        return self._video.frame(self._frame_idxs[index])


def _boxes(chosen: Sequence[SheetBoxes], n: int, video: Video) -> dict[int, Floats]:
    """Number of a picture -> its boxes.

    Raises:
        ConfigError: A picture that is not there or there twice, a box outside the frame.
    """
    boxes: dict[int, Floats] = {}
    for each in chosen:
        if each.picture > n:
            raise ConfigError(f"contact_sheet: there is no picture {each.picture} among {n}.")
        if each.picture in boxes:
            raise ConfigError(f"contact_sheet: boxes: picture {each.picture} is there twice.")
        for x0, y0, x1, y1 in each.boxes:
            if x0 > x1 or y0 > y1:
                raise ConfigError(
                    f"contact_sheet: a box is x0, y0, x1, y1, got {[x0, y0, x1, y1]}."
                )
            if x1 < 0 or y1 < 0 or x0 > video.width or y0 > video.height:
                raise ConfigError(
                    f"contact_sheet: the box {[x0, y0, x1, y1]} lies outside the frame, which is "
                    f"{video.width} x {video.height}."
                )
        # What lies outside is not drawn, and might be too large for a float32.
        limits = [video.width, video.height] * 2
        cut = np.clip(np.array(each.boxes).reshape(-1, 4), 0, limits)
        boxes[each.picture] = cut.astype(np.float32)
    return boxes
