"""A tool that says how much of the picture each object covers."""

from __future__ import annotations

from pydantic import Field

from alref_agent.tools.tool import Arguments, Result, Tool
from alref_agent.workspace import Workspace


class MaskAreasArguments(Arguments):
    masks: str = Field(description="Id of masks, from segment_video.")


class MaskAreasResult(Result):
    shares: dict[int, float] = Field(description="obj_id -> mean share of the picture, in [0, 1].")


class MaskAreas(Tool[MaskAreasArguments, MaskAreasResult]):
    """Mean area of each object's masks over all frames."""

    name = "mask_areas"
    summary = "Say how much of the picture each segmented object covers, on average."
    arguments = MaskAreasArguments
    result = MaskAreasResult

    def run(self, workspace: Workspace, arguments: MaskAreasArguments) -> MaskAreasResult:
        n_frames = workspace.video.n_frames
        shares: dict[int, float] = {}
        for frame_idx in workspace.progress.track(range(n_frames), "measure", n_frames):
            for obj_id, mask in workspace.masks_on(arguments.masks, frame_idx).items():
                shares[obj_id] = shares.get(obj_id, 0.0) + float(mask.mean()) / n_frames
        return MaskAreasResult(shares=shares)
