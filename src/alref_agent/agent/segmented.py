"""What an agent segmented -> choices: where its objects are, their names, their prompts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from alref_agent.agent.boxes import iou, numbers, overlap
from alref_agent.agent.strategy import SAME_OBJECT_IOU, Choice
from alref_agent.record import PivotRecord
from alref_agent.tools.segmentation.segment_video import (
    ObjectArguments,
    PromptArguments,
    SegmentVideoArguments,
    SegmentVideoResult,
)
from alref_agent.types import Floats, Mask
from alref_agent.workspace import Workspace

LOOKED_AT = 32
"""On about so many frames masks are compared, to tell when two expressions name one object."""
SAME_BOX = 0.5
"""A prompt's box and a detected one that overlap this much (IoU) are of one object."""
PIVOTS_IN_RECORD = 5
"""The surest boxes of a track that the record shows."""


@dataclass(frozen=True)
class Segmented:
    """A call of `segment_video` that went well."""

    arguments: SegmentVideoArguments
    result: SegmentVideoResult


@dataclass(frozen=True)
class _Name:
    """What the detector says of a box."""

    label: str = ""
    score: float = 0.0
    target: int = 0


def choices(
    workspace: Workspace, done: Segmented, detections: Sequence[str], why: str
) -> list[Choice]:
    """The objects of a call.

    Args:
        workspace: Where the masks are.
        done: The call.
        detections: Ids of what was detected before, for names and scores.
        why: What is said of each.
    """
    step = max(1, workspace.video.n_frames // LOOKED_AT)
    boxes = _boxes_of(workspace, done.result.masks, range(0, workspace.video.n_frames, step))
    return [
        _choice(workspace, entry, done, boxes.get(entry.obj_id, {}), detections, why)
        for entry in done.arguments.objects
    ]


def with_new_numbers(
    workspace: Workspace, found: Sequence[Sequence[Choice]], own: Sequence[Sequence[int]]
) -> tuple[list[list[Choice]], list[int]]:
    """Choices that hold although their objects get other numbers.

    A mask as a prompt is looked up by the number of its object: where that changes, the box around
    the mask stands for it.

    Args:
        workspace: Where the masks are.
        found: Choices, an expression each.
        own: The number that each of them had in its own call.

    Returns:
        The choices, and the places of the expressions for which masks were replaced.
    """
    numbered: list[Choice] = []
    replaced: list[int] = []
    kept: list[list[Choice]] = []
    for place, (mine, obj_ids) in enumerate(zip(found, own, strict=True)):
        kept.append([])
        for choice, obj_id in zip(mine, obj_ids, strict=True):
            same = (
                n
                for n, other in enumerate(numbered, start=1)
                if overlap(choice.boxes, other.boxes) >= SAME_OBJECT_IOU
            )
            number = next(same, 0)
            if not number:
                numbered.append(choice)
                number = len(numbered)
            if number != obj_id and any(prompt.masks for prompt in choice.prompts):
                prompts = [_as_box(workspace, prompt, obj_id) for prompt in choice.prompts]
                choice = replace(choice, prompts=prompts)
                replaced.append(place)
            kept[-1].append(choice)
    return kept, sorted(set(replaced))


def _choice(
    workspace: Workspace,
    entry: ObjectArguments,
    done: Segmented,
    boxes: dict[int, Floats],
    detections: Sequence[str],
    why: str,
) -> Choice:
    pivots: list[PivotRecord] = []
    name = None
    if entry.box_track is not None:
        track = workspace.box_track(entry.box_track)
        name = _Name(track.label, track.score, track.target)
        for i in sorted(np.argsort(-track.scores, kind="stable")[:PIVOTS_IN_RECORD].tolist()):
            pivots.append(
                PivotRecord(
                    frame_idx=int(track.frame_idxs[i]),
                    box=numbers(track.boxes[i]),
                    score=round(float(track.scores[i]), 4),
                )
            )
    for prompt in entry.prompts:
        box = prompt.box and np.array(prompt.box, np.float32)
        if box is None:
            # Points and masks: what was made of them shows where the object is.
            made = _boxes_of(workspace, done.result.masks, [prompt.frame_idx])
            box = made.get(entry.obj_id, {}).get(prompt.frame_idx)
        if box is None:
            continue
        called = _name(workspace, detections, prompt.frame_idx, box)
        name = name or called
        pivots.append(
            PivotRecord(
                frame_idx=prompt.frame_idx,
                box=numbers(box),
                score=round(called.score, 4) if called else None,
                start=prompt.start,
            )
        )
    name = name or _Name()
    return Choice(
        reason=why,
        label=name.label,
        score=name.score,
        target=name.target,
        # What nobody segmented is where it was prompted; there is always a box to compare.
        boxes=boxes or _prompted(entry, pivots),
        pivots=pivots,
        prompts=entry.prompts,
        box_track=entry.box_track,
    )


def _prompted(entry: ObjectArguments, pivots: Sequence[PivotRecord]) -> dict[int, Floats]:
    if pivots:
        return {pivot.frame_idx: np.array(pivot.box, np.float32) for pivot in pivots}
    return {prompt.frame_idx: np.zeros(4, np.float32) for prompt in entry.prompts}


def _name(
    workspace: Workspace, detections: Sequence[str], frame_idx: int, box: Floats
) -> _Name | None:
    """What the detector calls a box, if it has seen one there."""
    best = SAME_BOX
    name = None
    for item in detections:
        for frame in workspace.detections(item)[2]:
            if frame.frame_idx != frame_idx:
                continue
            for i, seen in enumerate(frame.boxes):
                if (same := iou(box, seen)) > best:
                    best = same
                    name = _Name(frame.phrases[i], float(frame.scores[i]), int(frame.targets[i]))
    return name


def _boxes_of(
    workspace: Workspace, masks: str, frames: Iterable[int]
) -> dict[int, dict[int, Floats]]:
    """`obj_id` -> `frame_idx` -> the box around its mask."""
    boxes: dict[int, dict[int, Floats]] = {}
    for frame_idx in frames:
        for obj_id, mask in workspace.masks_on(masks, frame_idx).items():
            boxes.setdefault(obj_id, {})[frame_idx] = _around(mask)
    return boxes


def _as_box(workspace: Workspace, prompt: PromptArguments, obj_id: int) -> PromptArguments:
    if prompt.masks is None:
        return prompt
    mask = workspace.masks_on(prompt.masks, prompt.frame_idx)[obj_id]
    return prompt.model_copy(update={"masks": None, "box": prompt.box or numbers(_around(mask))})


def _around(mask: Mask) -> Floats:
    ys, xs = np.nonzero(mask)
    return np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], np.float32)
