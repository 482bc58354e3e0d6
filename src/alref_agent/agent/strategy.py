"""The interface of a strategy, and how it turns what it chose into an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self, runtime_checkable

from alref_agent.agent.boxes import overlap
from alref_agent.config import Config
from alref_agent.errors import ConfigError
from alref_agent.media.masks import MAX_OBJECTS
from alref_agent.providers.llm import Llm
from alref_agent.providers.messages import Request
from alref_agent.record import (
    FallbackRecord,
    ObjectRecord,
    PivotRecord,
    ReferenceRecord,
    TargetRecord,
)
from alref_agent.tools.detection.detect_objects import DetectedTarget, ExpressionDetections
from alref_agent.tools.segmentation.segment_video import (
    ObjectArguments,
    PromptArguments,
    SegmentVideo,
)
from alref_agent.tools.tool import Toolbox
from alref_agent.types import Expression, Floats
from alref_agent.workspace import Workspace

SAME_OBJECT_IOU = 0.8
"""Choices whose boxes overlap this much are one object, whatever expression names it."""


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
    def from_config(cls, config: Config, tools: Toolbox, llm: Llm | None) -> Self:
        """Take the tools, the LLM and the settings that it needs.

        A class that asks an LLM has `asks_llm = True`; the others get one only where the user
        names one all the same.

        Raises:
            UnknownNameError: A tool that it needs is not there.
        """
        ...

    def run(self, workspace: Workspace, references: Sequence[Expression]) -> Answer:
        """Find and segment what the references name."""
        ...


@runtime_checkable
class Plans(Protocol):
    """A strategy that can tell what it would send to an LLM."""

    def plan(
        self, workspace: Workspace, references: Sequence[Expression]
    ) -> list[tuple[str, Request]]:
        """Step and request, of all that a run would send at most."""
        ...


@dataclass(frozen=True, eq=False)
class Choice:
    """An object that a strategy chose for an expression."""

    reason: str
    """One sentence: why this one."""
    label: str
    """What the detector calls it; empty: the detector has not seen it, and there is no score."""
    score: float
    target: int
    """Which target of the expression it is for."""
    boxes: Mapping[int, Floats]
    """`frame_idx` -> `(4,)` xyxy: where it is, to tell when two expressions name one object."""
    pivots: list[PivotRecord]
    """What the record shows of `boxes`."""
    prompts: list[PromptArguments] = field(default_factory=list)
    box_track: str | None = None
    """Prompts, or the id of a box track: what the segmenter gets."""


@dataclass(frozen=True)
class Finding:
    """What a strategy found for one expression: choices, or why there are none."""

    detections: ExpressionDetections | None
    """None where it did not come to looking for it."""
    choices: Sequence[Choice]
    why_none: str = ""
    failed: bool = False
    """Whether there is no choice because something failed, rather than because nothing fits."""


def conclude(
    workspace: Workspace,
    tool: SegmentVideo,
    references: Sequence[Expression],
    findings: Sequence[Finding],
) -> Answer:
    """Number the objects, segment all of them at once, and write down what came of it.

    Found objects come first, so that the indices of the masks have no gaps.

    Args:
        workspace: Where it happens.
        tool: What segments.
        references: The expressions.
        findings: One for each of them.

    Raises:
        ConfigError: More objects than a mask has indices for.
    """
    objects: dict[int, Choice] = {}
    records: list[ObjectRecord] = []
    for reference, finding in zip(references, findings, strict=True):
        for choice in finding.choices:
            same = (
                obj_id
                for obj_id, other in objects.items()
                if overlap(choice.boxes, other.boxes) >= SAME_OBJECT_IOU
            )
            obj_id = next(same, len(objects) + 1)
            objects.setdefault(obj_id, choice)
            records.append(_found(obj_id, reference, choice))
    if len(objects) > MAX_OBJECTS:
        raise ConfigError(
            f"{len(objects)} objects were found; a palette has room for {MAX_OBJECTS}: ask for "
            "fewer at once."
        )
    missing = [pair for pair in zip(references, findings, strict=True) if not pair[1].choices]
    records += [
        _missing(obj_id, reference, finding)
        for obj_id, (reference, finding) in enumerate(missing, len(objects) + 1)
    ]
    masks = None
    if objects:
        prompts = [
            ObjectArguments(obj_id=obj_id, box_track=choice.box_track, prompts=choice.prompts)
            for obj_id, choice in objects.items()
        ]
        result = tool(workspace, objects=[p.model_dump(mode="json") for p in prompts])
        masks = result.masks
        done = {entry.obj_id: entry.model_dump() for entry in result.objects}
        records = [_completed(r, done[r.obj_id]) if r.obj_id in done else r for r in records]
    return Answer(
        references=[
            ReferenceRecord(
                exp_id=reference.exp_id,
                text=reference.text,
                targets=[
                    TargetRecord(**target.model_dump())
                    for target in (finding.detections.targets if finding.detections else [])
                ],
                reason=finding.detections.reason if finding.detections else finding.why_none,
            )
            for reference, finding in zip(references, findings, strict=True)
        ],
        objects=sorted(records, key=lambda record: (int(record.exp_id), record.obj_id)),
        masks=masks,
    )


def taken_for(target: DetectedTarget) -> str:
    """How a detector understood words; one that reads sentences takes them as they are."""
    if _as_it_is(target):
        return f"The detector looked for {target.words!r}"
    return f"{target.words!r} was taken for {target.label} ({target.confidence:.2f})"


def _as_it_is(target: DetectedTarget) -> bool:
    return target.label == target.words.lower() and target.confidence == 1


def _nothing_like(found: ExpressionDetections, where: str, found_threshold: float) -> str:
    """For detectors that read sentences."""
    surest = max((box.score for box in found.best), default=None)
    if surest is None:
        return f"Nothing was found for {found.expression!r} on {where}."
    return (
        f"Nothing sure was found for {found.expression!r} on {where}: the best box scores "
        f"{surest:.2f}, not {found_threshold} (detector.found_threshold)."
    )


def where_looked(n_frames: int) -> str:
    """For reasons."""
    return "frame 0" if n_frames == 1 else f"the {n_frames} frames looked at"


def nothing_sure(found: ExpressionDetections, n_frames: int, found_threshold: float) -> str:
    """Why an expression has no object: its words mean nothing known, or nothing sure was seen."""
    if not found.targets:
        return found.reason
    if all(_as_it_is(target) for target in found.targets):
        return _nothing_like(found, where_looked(n_frames), found_threshold)
    labels = " or ".join(target.label for target in found.targets)
    where = where_looked(n_frames)
    surest = max((box.score for box in found.best), default=None)
    if surest is None:
        return f"No {labels} was seen on {where}. {found.reason}"
    return (
        f"No sure {labels} on {where}: the best box scores {surest:.2f}, "
        f"not {found_threshold} (detector.found_threshold). {found.reason}"
    )


def _found(obj_id: int, reference: Expression, choice: Choice) -> ObjectRecord:
    return ObjectRecord(
        obj_id=obj_id,
        exp_id=reference.exp_id,
        expression=reference.text,
        status="found",
        reason=choice.reason,
        # What an agent found without the detector has neither.
        label=choice.label or None,
        score=round(choice.score, 4) if choice.label else None,
        pivots=choice.pivots,
    )


def _missing(obj_id: int, reference: Expression, finding: Finding) -> ObjectRecord:
    return ObjectRecord(
        obj_id=obj_id,
        exp_id=reference.exp_id,
        expression=reference.text,
        status="failed" if finding.failed else "no-target",
        reason=finding.why_none,
    )


def _completed(record: ObjectRecord, segmented: Mapping[str, object]) -> ObjectRecord:
    update = dict(segmented)
    if not segmented["n_frames"]:
        update["status"] = "failed"
        update["reason"] = f"{record.reason} The segmenter found no pixels of it."
    return record.model_copy(update=update)
