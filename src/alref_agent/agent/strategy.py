"""The interface of a strategy, and the steps that all of them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from alref_agent.config import Config
from alref_agent.record import FallbackRecord, ObjectRecord, ReferenceRecord, TargetRecord
from alref_agent.tools.detection.detect_objects import ExpressionDetections
from alref_agent.tools.segmentation.segment_video import ObjectArguments, SegmentVideo
from alref_agent.tools.tool import Toolbox
from alref_agent.types import Expression
from alref_agent.workspace import Workspace


@dataclass(frozen=True)
class Answer:
    """What a strategy made of the references of one video."""

    references: list[ReferenceRecord]
    objects: list[ObjectRecord]
    """At least one an expression. Expressions that name the same object share its `obj_id`."""
    masks: str | None
    """Id of the masks in the workspace; None where no object was found."""
    fallbacks: tuple[FallbackRecord, ...] = ()


class Strategy(Protocol):
    """The order in which the typed tools are called; registered in `alref_agent.strategies`."""

    @classmethod
    def from_config(cls, config: Config, tools: Toolbox) -> Self:
        """Take the tools and settings that it needs.

        Raises:
            UnknownNameError: A tool that it needs is not there.
        """
        ...

    def run(self, workspace: Workspace, references: Sequence[Expression]) -> Answer:
        """Find and segment what the references name."""
        ...


@dataclass(frozen=True)
class Candidate:
    """An object that a strategy chose: its record so far, and what prompts the segmenter."""

    record: ObjectRecord
    prompts: ObjectArguments


def reference_record(reference: Expression, found: ExpressionDetections) -> ReferenceRecord:
    """How an expression was understood, for the record."""
    return ReferenceRecord(
        exp_id=reference.exp_id,
        text=reference.text,
        targets=[TargetRecord(**target.model_dump()) for target in found.targets],
        reason=found.reason,
    )


def no_target(obj_id: int, reference: Expression, reason: str) -> ObjectRecord:
    """The record of an expression for which there is nothing."""
    return ObjectRecord(
        obj_id=obj_id,
        exp_id=reference.exp_id,
        expression=reference.text,
        status="no-target",
        reason=reason,
    )


def why_none(answer: ExpressionDetections, n_frames: int, found_threshold: float) -> str:
    """Why an expression has no object: its words mean nothing known, or nothing sure was seen."""
    if not answer.targets:
        return answer.reason
    labels = " or ".join(target.label for target in answer.targets)
    where = "frame 0" if n_frames == 1 else f"the {n_frames} frames looked at"
    surest = max((box.score for box in answer.best), default=None)
    seen = f"No {labels} was seen on {where}."
    if surest is not None:
        seen = (
            f"No sure {labels} on {where}: the best box scores {surest:.2f}, not {found_threshold}."
        )
    return f"{seen} {answer.reason}"


def segment(
    workspace: Workspace, tool: SegmentVideo, chosen: Sequence[Candidate]
) -> tuple[str | None, list[ObjectRecord]]:
    """Segment all chosen objects at once and complete their records.

    Candidates that share an `obj_id` are one object, and their first prompts are taken.

    Returns:
        The id of the masks (None where nothing was chosen) and the completed records.
    """
    if not chosen:
        return None, []
    prompts = {candidate.prompts.obj_id: candidate.prompts for candidate in reversed(chosen)}
    result = tool(workspace, objects=[p.model_dump() for _, p in sorted(prompts.items())])
    done = {entry.obj_id: entry for entry in result.objects}
    records = []
    for candidate in chosen:
        entry = done[candidate.record.obj_id]
        update = entry.model_dump(exclude={"obj_id"})
        if entry.n_frames == 0:
            update |= {
                "status": "failed",
                "reason": f"{candidate.record.reason} The segmenter found no pixels of it.",
            }
        records.append(candidate.record.model_copy(update=update))
    return result.masks, records
