"""The tool `segment_video`: prompts of every object -> masks of every frame."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field, model_validator

from alref_agent.errors import ConfigError
from alref_agent.tools.frames import check_frames
from alref_agent.tools.segmentation.checks import check_prompts
from alref_agent.tools.segmentation.segmenter import Segmenter
from alref_agent.tools.tool import Arguments, Result, Tool
from alref_agent.types import ObjectMask, Prompt
from alref_agent.workspace import Workspace

Box = tuple[float, float, float, float]


class PromptArguments(Arguments):
    """Where an object is on one frame: a box, points, or a mask that was made before."""

    frame_idx: int = Field(ge=0)
    box: Box | None = Field(None, description="xyxy in pixels.")
    points: list[tuple[float, float]] | None = Field(None, description="xy in pixels.")
    labels: list[bool] | None = Field(
        None, description="True: the point is on the object, false: beside it. Default: all on it."
    )
    masks: str | None = Field(None, description="Id of masks; the object's mask on this frame.")
    confidence: float = Field(
        1.0, ge=0, le=1, description="How sure it is; 0: filled in between others, not seen."
    )
    start: bool = Field(
        False, description="Propagate the object from here; default: from all its prompts."
    )

    @model_validator(mode="after")
    def _check(self) -> PromptArguments:
        if self.box is None and not self.points and self.masks is None:
            raise ValueError("a prompt needs box, points or masks")
        if self.box and not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise ValueError(f"a box is x0 < x1, y0 < y1, got {self.box}")
        if self.labels is not None and len(self.labels) != len(self.points or []):
            raise ValueError("as many labels as points expected")
        return self


class ObjectArguments(Arguments):
    """All prompts of one object."""

    obj_id: int = Field(ge=1, le=255)
    box_track: str | None = Field(None, description="Id from link_boxes: its boxes are prompts.")
    prompts: list[PromptArguments] = []


class SegmentVideoArguments(Arguments):
    """The objects to segment."""

    objects: list[ObjectArguments] = Field(min_length=1)


class SegmentedObject(Result):
    """What came of one object."""

    obj_id: int
    n_frames: int = Field(description="Frames on which it has a mask.")
    first_frame: int | None
    last_frame: int | None


class SegmentVideoResult(Result):
    """Where the masks are."""

    masks: str = Field(description="Id of the masks of all objects.")
    objects: list[SegmentedObject]


class SegmentVideo(Tool[SegmentVideoArguments, SegmentVideoResult]):
    """Carry every object's prompts through the video, all objects at once."""

    name = "segment_video"
    summary = "Turn prompts (boxes, points, masks, on any frames) into a mask for every frame."
    arguments = SegmentVideoArguments
    result = SegmentVideoResult
    backend_kind = "segmenter"

    def run(self, workspace: Workspace, arguments: SegmentVideoArguments) -> SegmentVideoResult:
        """Segment; see the class."""
        assert self.backend is not None
        ids = [entry.obj_id for entry in arguments.objects]
        if len(set(ids)) < len(ids):
            raise ConfigError(f"segment_video: every obj_id may come once, got {ids}.")
        prompts = [p for entry in arguments.objects for p in _prompts(workspace, entry)]
        check_prompts(workspace.video, prompts)
        n = workspace.video.n_frames * len(ids)
        segmenter: Segmenter = self.backend.get()
        masks = _until_done(segmenter.segment(workspace.video, prompts), workspace, n)
        item = workspace.add_masks(masks, ids)
        summary = workspace.masks_summary(item)
        return SegmentVideoResult(
            masks=item,
            objects=[
                SegmentedObject(
                    obj_id=i,
                    n_frames=summary.get(i, (0,))[0],
                    first_frame=summary[i][1] if i in summary else None,
                    last_frame=summary[i][2] if i in summary else None,
                )
                for i in ids
            ],
        )


def _until_done(
    masks: Iterator[ObjectMask], workspace: Workspace, total: int
) -> Iterator[ObjectMask]:
    return workspace.progress.track(masks, "segment", total)


def _prompts(workspace: Workspace, entry: ObjectArguments) -> Iterator[Prompt]:
    if entry.box_track is None and not entry.prompts:
        raise ConfigError(f"segment_video: object {entry.obj_id} has no prompt.")
    check_frames(workspace, [prompt.frame_idx for prompt in entry.prompts])
    if entry.box_track is not None:
        track = workspace.box_track(entry.box_track)
        sure = np.clip(track.scores, 0, 1).tolist()
        for i, box, score in zip(track.frame_idxs.tolist(), track.boxes, sure, strict=True):
            yield Prompt(entry.obj_id, i, box=box, confidence=score)
    for prompt in entry.prompts:
        mask = None
        if prompt.masks is not None:
            mask = workspace.masks_on(prompt.masks, prompt.frame_idx).get(entry.obj_id)
            if mask is None:
                raise ConfigError(
                    f"segment_video: {prompt.masks} has no mask of object {entry.obj_id} on "
                    f"frame {prompt.frame_idx}."
                )
        labels = prompt.labels or [True] * len(prompt.points or [])
        yield Prompt(
            entry.obj_id,
            prompt.frame_idx,
            box=None if prompt.box is None else np.array(prompt.box, np.float32),
            mask=mask,
            points=np.array(prompt.points, np.float32) if prompt.points else None,
            labels=np.array(labels, np.bool_) if prompt.points else None,
            start=prompt.start,
            confidence=prompt.confidence,
        )
