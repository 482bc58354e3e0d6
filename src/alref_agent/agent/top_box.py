"""Strategy `top-box`: the best box of one frame prompts the segmenter.

The intuitive pipeline of the paper (its baseline). It asks no LLM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np

from alref_agent.agent.boxes import iou, numbers
from alref_agent.agent.strategy import Answer, Choice, Finding, conclude, nothing_sure, taken_for
from alref_agent.config import Config
from alref_agent.providers.llm import Llm
from alref_agent.record import PivotRecord
from alref_agent.tools.detection.detect_objects import DetectObjects, ExpressionDetections
from alref_agent.tools.frames import SampleFrames
from alref_agent.tools.segmentation.segment_video import PromptArguments, SegmentVideo
from alref_agent.tools.tool import Toolbox
from alref_agent.types import Detections, Expression
from alref_agent.workspace import Workspace

ONE_OBJECT_IOU = 0.5
"""Boxes of one frame that overlap this much are taken for one object."""


class TopBox:
    """See the module. `pivot` is `first` (frame 0, as the paper) or `best` (the surest frame)."""

    def __init__(
        self,
        tools: Toolbox,
        pivot: Literal["first", "best"] = "first",
        step: int = 5,
        found_threshold: float = 0.2,
    ) -> None:
        self._sample = tools.get(SampleFrames)
        self._detect = tools.get(DetectObjects)
        self._segment = tools.get(SegmentVideo)
        self._pivot = pivot
        self._step = step
        self._found_threshold = found_threshold

    @classmethod
    def from_config(cls, config: Config, tools: Toolbox, llm: Llm | None = None) -> Self:
        """Take the tools; reads `top_box.pivot`, `sampling.step`, `detector.found_threshold`."""
        return cls(
            tools, config.top_box.pivot, config.sampling.step, config.detector.found_threshold
        )

    def run(self, workspace: Workspace, references: Sequence[Expression]) -> Answer:
        """Detect on the pivot frame, take the best boxes, segment."""
        frames = [0]
        if self._pivot == "best":
            sampled = self._sample(workspace, step=self._step)
            frames = [frame.frame_idx for frame in sampled.frames]
        found = self._detect(
            workspace, frames=frames, expressions=[reference.text for reference in references]
        )
        findings = [
            Finding(
                detections,
                best_of_frame(
                    detections,
                    workspace.detections(detections.id)[2],
                    self._found_threshold,
                ),
                nothing_sure(detections, len(frames), self._found_threshold),
            )
            for detections in found.detections
        ]
        return conclude(workspace, self._segment, references, findings)


def best_of_frame(
    found: ExpressionDetections, frames: Sequence[Detections], found_threshold: float = 0.0
) -> list[Choice]:
    """For each target as many boxes as the words ask for, on the frame of its best box.

    Args:
        found: What was detected for an expression.
        frames: The same in full.
        found_threshold: Boxes of a lower score are not taken.
    """
    choices = []
    for best in found.best:
        frame = next(f for f in frames if f.frame_idx == best.frame_idx)
        mine = (frame.targets == best.target) & (frame.scores >= found_threshold)
        taken: list[int] = []
        for i in np.argsort(-frame.scores, kind="stable").tolist():
            if len(taken) == found.targets[best.target].count:
                break
            others = (iou(frame.boxes[i], frame.boxes[j]) for j in taken)
            if mine[i] and max(others, default=0) < ONE_OBJECT_IOU:
                taken.append(i)
        choices += [_choice(found, frame, i) for i in taken]
    return choices


def _choice(found: ExpressionDetections, frame: Detections, i: int) -> Choice:
    target = found.targets[frame.targets[i]]
    score, box = round(float(frame.scores[i]), 4), numbers(frame.boxes[i])
    return Choice(
        reason=(f"{taken_for(target)}; its best box is on frame {frame.frame_idx} ({score:.2f})."),
        label=frame.phrases[i],
        score=score,
        target=int(frame.targets[i]),
        boxes={frame.frame_idx: frame.boxes[i]},
        pivots=[PivotRecord(frame_idx=frame.frame_idx, box=box, score=score)],
        prompts=[PromptArguments(frame_idx=frame.frame_idx, box=box)],
    )
