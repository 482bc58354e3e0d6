"""A strategy that chooses nothing: every box of the first frame is an object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from alref_agent.agent.strategy import Answer, Candidate, no_target, reference_record, segment
from alref_agent.config import Config
from alref_agent.record import ObjectRecord
from alref_agent.tools.detection.detect_objects import DetectObjects
from alref_agent.tools.segmentation.segment_video import (
    ObjectArguments,
    PromptArguments,
    SegmentVideo,
)
from alref_agent.tools.tool import Toolbox
from alref_agent.types import Expression
from alref_agent.workspace import Workspace


class AllBoxes:
    def __init__(self, detect: DetectObjects, segment: SegmentVideo) -> None:
        self._detect = detect
        self._segment = segment

    @classmethod
    def from_config(cls, config: Config, tools: Toolbox) -> Self:
        return cls(tools.get(DetectObjects), tools.get(SegmentVideo))

    def run(self, workspace: Workspace, references: Sequence[Expression]) -> Answer:
        texts = [reference.text for reference in references]
        found = self._detect(workspace, frames=[0], expressions=texts).detections
        chosen: list[Candidate] = []
        missing: list[ObjectRecord] = []
        for reference, answer in zip(references, found, strict=True):
            frame = workspace.detections(answer.id)[2]
            boxes = frame[0].boxes.tolist() if frame else []
            next_id = len(chosen) + len(missing) + 1
            if not boxes:
                missing.append(no_target(next_id, reference, answer.reason))
            for obj_id, box in enumerate(boxes, next_id):
                record = ObjectRecord(
                    obj_id=obj_id,
                    exp_id=reference.exp_id,
                    expression=reference.text,
                    status="found",
                    reason="Every box is taken.",
                )
                prompt = PromptArguments(frame_idx=0, box=tuple(box))
                chosen.append(Candidate(record, ObjectArguments(obj_id=obj_id, prompts=[prompt])))
        masks, records = segment(workspace, self._segment, chosen)
        references_done = [reference_record(r, a) for r, a in zip(references, found, strict=True)]
        return Answer(references_done, [*records, *missing], masks)
