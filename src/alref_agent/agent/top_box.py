"""Strategy `top-box`: the best box of one frame prompts the segmenter.

The intuitive pipeline of the paper (its baseline). It asks no LLM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np

from alref_agent.agent.boxes import iou
from alref_agent.agent.strategy import (
    Answer,
    Candidate,
    no_target,
    reference_record,
    segment,
    why_none,
)
from alref_agent.config import Config
from alref_agent.record import ObjectRecord, PivotRecord
from alref_agent.tools.detection.detect_objects import (
    DetectedBox,
    DetectObjects,
    ExpressionDetections,
    detected_box,
)
from alref_agent.tools.frames import SampleFrames
from alref_agent.tools.segmentation.segment_video import (
    ObjectArguments,
    PromptArguments,
    SegmentVideo,
)
from alref_agent.tools.tool import Toolbox
from alref_agent.types import Expression
from alref_agent.workspace import Workspace

SAME_OBJECT_IOU = 0.8
"""Boxes on one frame that overlap this much are of one object, whatever names it."""


class TopBox:
    """See the module. `pivot` is `first` (frame 0, as the paper) or `best` (the surest frame)."""

    def __init__(
        self,
        sample: SampleFrames,
        detect: DetectObjects,
        segment: SegmentVideo,
        pivot: Literal["first", "best"] = "first",
        step: int = 5,
        found_threshold: float = 0.3,
    ) -> None:
        self._sample = sample
        self._detect = detect
        self._segment = segment
        self._pivot = pivot
        self._step = step
        self._found_threshold = found_threshold

    @classmethod
    def from_config(cls, config: Config, tools: Toolbox) -> Self:
        """Take the tools; reads `top_box.pivot`, `sampling.step`, `found_threshold`."""
        return cls(
            tools.get(SampleFrames),
            tools.get(DetectObjects),
            tools.get(SegmentVideo),
            config.top_box.pivot,
            config.sampling.step,
            config.detector.found_threshold,
        )

    def run(self, workspace: Workspace, references: Sequence[Expression]) -> Answer:
        """Detect on the pivot frame, take the best boxes, segment."""
        frames = [0]
        if self._pivot == "best":
            sampled = self._sample(workspace, step=self._step)
            frames = [frame.frame_idx for frame in sampled.frames]
        found = self._detect(
            workspace, frames=frames, expressions=[reference.text for reference in references]
        ).detections
        chosen: list[Candidate] = []
        missing: list[ObjectRecord] = []
        next_id = 1
        for reference, answer in zip(references, found, strict=True):
            boxes = self._boxes(workspace, answer)
            if not boxes:
                reason = why_none(answer, len(frames), self._found_threshold)
                missing.append(no_target(next_id, reference, reason))
                next_id += 1
            for box in boxes:
                same = next((c.record.obj_id for c in chosen if _same(c, box)), None)
                chosen.append(_candidate(same or next_id, reference, answer, box))
                next_id += same is None
        masks, records = segment(workspace, self._segment, chosen)
        return Answer(
            references=[reference_record(r, a) for r, a in zip(references, found, strict=True)],
            objects=sorted([*records, *missing], key=lambda record: record.obj_id),
            masks=masks,
        )

    def _boxes(self, workspace: Workspace, answer: ExpressionDetections) -> list[DetectedBox]:
        """For each target as many boxes as the words ask for, on the frame of its best box."""
        detections = workspace.detections(answer.id)[2]
        boxes = []
        for best in [box for box in answer.best if box.score >= self._found_threshold]:
            frame = next(f for f in detections if f.frame_idx == best.frame_idx)
            mine = np.flatnonzero(frame.targets == best.target)
            mine = mine[frame.scores[mine] >= self._found_threshold]
            order = mine[np.argsort(-frame.scores[mine], kind="stable")]
            taken: list[int] = []
            for i in order:  # two boxes of one object are not two objects
                if len(taken) == answer.targets[best.target].count:
                    break
                if all(iou(frame.boxes[i], frame.boxes[j]) < 0.5 for j in taken):
                    taken.append(int(i))
            boxes += [detected_box(frame, i) for i in taken]
        return boxes


def _same(candidate: Candidate, box: DetectedBox) -> bool:
    pivot = candidate.record.pivots[0]
    overlap = iou(np.array(pivot.box), np.array(box.box))
    return pivot.frame_idx == box.frame_idx and overlap >= SAME_OBJECT_IOU


def _candidate(
    obj_id: int, reference: Expression, answer: ExpressionDetections, box: DetectedBox
) -> Candidate:
    target = answer.targets[box.target]
    return Candidate(
        ObjectRecord(
            obj_id=obj_id,
            exp_id=reference.exp_id,
            expression=reference.text,
            status="found",
            reason=(
                f"{target.words!r} was taken for {target.label} "
                f"({target.confidence:.2f}); its best box is on frame {box.frame_idx} "
                f"({box.score:.2f})."
            ),
            label=box.phrase,
            score=round(box.score, 4),
            pivots=[PivotRecord(frame_idx=box.frame_idx, box=box.box, score=round(box.score, 4))],
        ),
        ObjectArguments(
            obj_id=obj_id, prompts=[PromptArguments(frame_idx=box.frame_idx, box=box.box)]
        ),
    )
