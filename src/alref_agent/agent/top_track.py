"""Strategy `top-track`: the best box tracks of the whole video prompt the segmenter.

Detections on sampled frames are linked into box tracks; each track's boxes prompt the segmenter on
many frames. It asks no LLM, and is the ground for strategies that let one choose among the tracks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from alref_agent.agent.boxes import track_iou
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
from alref_agent.tools.detection.detect_objects import DetectObjects, ExpressionDetections
from alref_agent.tools.detection.link_boxes import LinkBoxes, LinkedTrack
from alref_agent.tools.frames import SampleFrames
from alref_agent.tools.segmentation.segment_video import ObjectArguments, SegmentVideo
from alref_agent.tools.tool import Toolbox
from alref_agent.types import BoxTrack, Expression, Floats
from alref_agent.workspace import Workspace

SAME_OBJECT_IOU = 0.8
"""Tracks whose boxes overlap this much are of one object, whatever expression names it."""

PIVOTS_IN_RECORD = 5
"""The surest boxes of a track that the record shows; the track itself stays in the workspace."""


class TopTrack:
    """See the module."""

    def __init__(
        self,
        sample: SampleFrames,
        detect: DetectObjects,
        link: LinkBoxes,
        segment: SegmentVideo,
        step: int = 5,
        max_tracks: int = 8,
        found_threshold: float = 0.3,
    ) -> None:
        self._sample = sample
        self._detect = detect
        self._link = link
        self._segment = segment
        self._step = step
        self._max_tracks = max_tracks
        self._found_threshold = found_threshold

    @classmethod
    def from_config(cls, config: Config, tools: Toolbox) -> Self:
        """Take the tools; reads `sampling.step`, `linker.max_tracks`, `found_threshold`."""
        return cls(
            tools.get(SampleFrames),
            tools.get(DetectObjects),
            tools.get(LinkBoxes),
            tools.get(SegmentVideo),
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
        with_boxes = [answer.id for answer in found if answer.n_boxes]
        linked = {}
        if with_boxes:
            result = self._link(workspace, detections=with_boxes, max_tracks=self._max_tracks)
            linked = {entry.detections: entry.tracks for entry in result.linked}
        chosen: list[Candidate] = []
        tracks: dict[int, BoxTrack] = {}
        missing: list[ObjectRecord] = []
        next_id = 1
        for reference, answer in zip(references, found, strict=True):
            tracks_of = linked.get(answer.id, [])
            best = choose(answer, tracks_of, self._found_threshold)
            if not best:
                reason = why_none(answer, len(frames), self._found_threshold)
                missing.append(no_target(next_id, reference, reason))
                next_id += 1
            for entry in best:
                track = workspace.box_track(entry.id)
                same = [i for i, t in tracks.items() if track_iou(t, track) >= SAME_OBJECT_IOU]
                obj_id = same[0] if same else next_id
                next_id += not same
                tracks.setdefault(obj_id, track)
                chosen.append(_candidate(obj_id, reference, answer, entry, track))
        masks, records = segment(workspace, self._segment, chosen)
        return Answer(
            references=[reference_record(r, a) for r, a in zip(references, found, strict=True)],
            objects=sorted([*records, *missing], key=lambda record: record.obj_id),
            masks=masks,
        )


def choose(
    answer: ExpressionDetections, tracks: Sequence[LinkedTrack], found_threshold: float
) -> list[LinkedTrack]:
    """For each target of an expression, as many of its best tracks as the words ask for."""
    sure = [track for track in tracks if track.best_score >= found_threshold]
    return [
        track
        for t, target in enumerate(answer.targets)
        for track in [track for track in sure if track.target == t][: target.count]
    ]


def _numbers(box: Floats) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (round(float(v), 2) for v in box)
    return x0, y0, x1, y1


def _candidate(
    obj_id: int,
    reference: Expression,
    answer: ExpressionDetections,
    entry: LinkedTrack,
    track: BoxTrack,
) -> Candidate:
    target = answer.targets[entry.target]
    surest = np.argsort(-track.scores, kind="stable")[:PIVOTS_IN_RECORD]
    pivots = [
        PivotRecord(
            frame_idx=int(track.frame_idxs[i]),
            box=_numbers(track.boxes[i]),
            score=round(float(track.scores[i]), 4),
        )
        for i in sorted(surest)
    ]
    return Candidate(
        ObjectRecord(
            obj_id=obj_id,
            exp_id=reference.exp_id,
            expression=reference.text,
            status="found",
            reason=(
                f"{target.words!r} was taken for {target.label} ({target.confidence:.2f}); "
                f"{entry.id} is the best track for it: seen on {entry.n_detected} frames "
                f"from {entry.first_frame} to {entry.last_frame}, score {entry.score:.2f}."
            ),
            label=entry.label,
            score=round(entry.score, 4),
            pivots=pivots,
        ),
        ObjectArguments(obj_id=obj_id, box_track=entry.id),
    )
