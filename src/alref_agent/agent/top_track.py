"""Strategy `top-track`: the best box tracks of the whole video prompt the segmenter.

Detections on sampled frames are linked into box tracks; each track's boxes prompt the segmenter on
many frames. It asks no LLM, and is the ground for strategies that let one choose among the tracks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

import numpy as np

from alref_agent.agent.boxes import numbers, overlap
from alref_agent.agent.strategy import Answer, Choice, Finding, conclude, nothing_sure, taken_for
from alref_agent.config import Config
from alref_agent.providers.llm import Llm
from alref_agent.record import PivotRecord
from alref_agent.tools.detection.detect_objects import (
    DetectedTarget,
    DetectObjects,
    ExpressionDetections,
)
from alref_agent.tools.detection.link_boxes import LinkBoxes, LinkedTrack
from alref_agent.tools.detection.words import parse
from alref_agent.tools.frames import SampleFrames
from alref_agent.tools.segmentation.segment_video import SegmentVideo
from alref_agent.tools.tool import Toolbox
from alref_agent.types import BoxTrack, Expression
from alref_agent.workspace import Workspace

ONE_OBJECT_IOU = 0.5
"""Tracks that overlap this much are taken for one object."""
RIVAL = 0.75
"""Of the best score: weaker tracks are no rivals; a detector takes a cow for a large sheep too."""
LEAST = 0.4
"""What the least fitting size leaves of a score."""
PIVOTS_IN_RECORD = 5
"""The surest boxes of a track that the record shows; the track itself stays in the workspace."""


class TopTrack:
    """See the module."""

    def __init__(
        self,
        tools: Toolbox,
        step: int = 5,
        max_tracks: int = 8,
        found_threshold: float = 0.2,
    ) -> None:
        self._sample = tools.get(SampleFrames)
        self._detect = tools.get(DetectObjects)
        self._link = tools.get(LinkBoxes)
        self._segment = tools.get(SegmentVideo)
        self._step = step
        self._max_tracks = max_tracks
        self._found_threshold = found_threshold

    @classmethod
    def from_config(cls, config: Config, tools: Toolbox, llm: Llm | None = None) -> Self:
        """Take the tools; reads `sampling.step`, `linker` and `detector.found_threshold`."""
        return cls(
            tools,
            config.sampling.step,
            config.linker.max_tracks,
            config.detector.found_threshold,
        )

    def run(self, workspace: Workspace, references: Sequence[Expression]) -> Answer:
        """Sample, detect, link, choose, segment."""
        sampled = self._sample(workspace, step=self._step)
        frames = [frame.frame_idx for frame in sampled.frames]
        found = self._detect(
            workspace, frames=frames, expressions=[reference.text for reference in references]
        ).detections
        tracks: dict[str, list[LinkedTrack]] = {}
        with_boxes = [detections.id for detections in found if detections.n_boxes]
        if with_boxes:
            linked = self._link(workspace, detections=with_boxes, max_tracks=self._max_tracks)
            tracks = {entry.detections: entry.tracks for entry in linked.linked}
        findings = [
            Finding(
                detections,
                choose(
                    [
                        _choice(detections, track, workspace.box_track(track.id))
                        for track in tracks.get(detections.id, [])
                        if track.best_score >= self._found_threshold
                    ],
                    detections.targets,
                ),
                nothing_sure(detections, len(frames), self._found_threshold),
            )
            for detections in found
        ]
        return conclude(workspace, self._segment, references, findings)


def choose(choices: Sequence[Choice], targets: Sequence[DetectedTarget]) -> list[Choice]:
    """For each target of an expression, as many of its best tracks as the words ask for.

    Two targets never share an object: "the man and the woman" are two, though both are persons to
    the detector.
    """
    taken: list[Choice] = []
    for t, target in enumerate(targets):
        free = [
            choice
            for choice in choices
            if choice.target == t
            and all(overlap(choice.boxes, other.boxes) < ONE_OBJECT_IOU for other in taken)
        ]
        taken += sorted(free, key=_fit(free, target), reverse=True)[: target.count]
    return taken


def _fit(choices: Sequence[Choice], target: DetectedTarget) -> Callable[[Choice], float]:
    """A track's score, and how its size compares with that of the other tracks.

    The detector compares sizes on one frame, where the other object need not be in sight.
    """
    sizes = [phrase.size for phrase in parse(target.words).phrases if phrase.size]
    best = max((choice.score for choice in choices), default=0.0)
    areas = [_area(choice) for choice in choices if choice.score >= RIVAL * best]
    if not sizes or len(areas) < 2:
        return lambda choice: choice.score

    def fit(choice: Choice) -> float:
        area = _area(choice)
        share = area / max(areas) if sizes[0].startswith("large") else min(areas) / area
        return choice.score * min(1.0, max(LEAST, share))

    return fit


def _area(choice: Choice) -> float:
    boxes = np.stack(list(choice.boxes.values()))
    return float(np.median(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)))


def _choice(found: ExpressionDetections, linked: LinkedTrack, track: BoxTrack) -> Choice:
    target = found.targets[linked.target]
    detected = np.flatnonzero(track.scores > 0)  # the others were filled in between
    surest = detected[np.argsort(-track.scores[detected], kind="stable")[:PIVOTS_IN_RECORD]]
    return Choice(
        reason=(
            f"{taken_for(target)}; "
            f"{linked.id} is the best track for it: seen on {linked.n_detected} frames "
            f"from {linked.first_frame} to {linked.last_frame}, score {linked.score:.2f}."
        ),
        label=linked.label,
        score=linked.score,
        target=linked.target,
        boxes=dict(zip(track.frame_idxs.tolist(), track.boxes, strict=True)),
        pivots=[
            PivotRecord(
                frame_idx=int(track.frame_idxs[i]),
                box=numbers(track.boxes[i]),
                score=round(float(track.scores[i]), 4),
            )
            for i in sorted(surest.tolist())
        ],
        box_track=linked.id,
    )
