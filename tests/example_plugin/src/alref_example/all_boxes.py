"""A strategy that chooses nothing: every box of the first frame is an object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from alref_agent.agent.strategy import Answer, Choice, Finding, conclude
from alref_agent.config import Config
from alref_agent.providers.llm import Llm
from alref_agent.tools.detection.detect_objects import DetectObjects
from alref_agent.tools.segmentation.segment_video import PromptArguments, SegmentVideo
from alref_agent.tools.tool import Toolbox
from alref_agent.types import Expression
from alref_agent.workspace import Workspace


class AllBoxes:
    def __init__(self, detect: DetectObjects, segment: SegmentVideo) -> None:
        self._detect = detect
        self._segment = segment

    @classmethod
    def from_config(cls, config: Config, tools: Toolbox, llm: Llm | None) -> Self:
        return cls(tools.get(DetectObjects), tools.get(SegmentVideo))

    def run(self, workspace: Workspace, references: Sequence[Expression]) -> Answer:
        texts = [reference.text for reference in references]
        findings = []
        for found in self._detect(workspace, frames=[0], expressions=texts).detections:
            choices = [
                Choice(
                    reason="Every box is taken.",
                    label=phrase,
                    score=float(score),
                    target=int(target),
                    boxes={0: box},
                    pivots=[],
                    prompts=[PromptArguments(frame_idx=0, box=tuple(box.tolist()))],
                )
                for frame in workspace.detections(found.id)[2]
                for box, score, phrase, target in zip(
                    frame.boxes, frame.scores, frame.phrases, frame.targets, strict=True
                )
            ]
            findings.append(Finding(found, choices, why_none=found.reason))
        return conclude(workspace, self._segment, references, findings)
