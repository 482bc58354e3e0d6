"""Pivots -> objects: which boxes on which frames are one object, and what prompts the segmenter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten

import numpy as np

from alref_agent.agent.boxes import iou, numbers
from alref_agent.agent.strategy import Choice
from alref_agent.record import PivotRecord
from alref_agent.tools.segmentation.segment_video import PromptArguments
from alref_agent.types import BoxTrack, Detections, Floats

SAME_BOX = 0.5
"""A box and a track's box on its frame that overlap this much (IoU) are one object."""
_LONGEST = 240
"""Characters of an LLM's words in a reason; the record has them whole."""


@dataclass(frozen=True, eq=False)
class Pivot:
    """A frame and the boxes on it that the LLM chose."""

    frame_idx: int
    candidates: Detections
    boxes: tuple[int, ...]
    """Indices into `candidates`."""
    reason: str
    """In the words of the LLM."""


@dataclass(frozen=True, eq=False)
class _Place:
    pivot: Pivot
    i: int

    @property
    def box(self) -> Floats:
        return np.asarray(self.pivot.candidates.boxes[self.i], np.float32)


def objects(
    pivots: Sequence[Pivot],
    tracks: Sequence[BoxTrack],
    start: str = "middle",
    follow: bool = False,
) -> list[Choice]:
    """The objects that the pivots of one expression show, with all their pivots.

    Where every pivot has one box, all of them show one object, as in the paper. Where one has
    several, boxes of different frames are one object if one box track runs through them.

    Args:
        pivots: In the order of time; each has a box at least.
        tracks: Box tracks of the expression, best first; none where they were not needed.
        start: `middle`: the middle pivot of each object is marked as the one to propagate from.
        follow: Whether the tracks on which the chosen boxes lie prompt the segmenter as well.
    """
    places = [_Place(pivot, i) for pivot in pivots for i in pivot.boxes]
    if all(len(pivot.boxes) == 1 for pivot in pivots):
        groups = [places] if places else []
    else:
        groups = _by_track(places, tracks)
    return [_choice(group, tracks, start, follow) for group in groups]


def _by_track(places: Sequence[_Place], tracks: Sequence[BoxTrack]) -> list[list[_Place]]:
    groups: dict[int, list[_Place]] = {}
    for n, place in enumerate(places):
        # A box without a track is an object of its own.
        best = _track_of(place, tracks)
        groups.setdefault(-1 - n if best is None else best, []).append(place)
    return list(groups.values())


def _track_of(place: _Place, tracks: Sequence[BoxTrack]) -> int | None:
    scored = [
        (iou(place.box, box), -n)
        for n, track in enumerate(tracks)
        if (box := _box_on(track, place.pivot.frame_idx)) is not None
    ]
    best, n = max(scored, default=(0.0, 0))
    return -n if best >= SAME_BOX else None


def _box_on(track: BoxTrack, frame_idx: int) -> Floats | None:
    at = int(np.searchsorted(track.frame_idxs, frame_idx))
    if at < len(track.frame_idxs) and track.frame_idxs[at] == frame_idx:
        return np.asarray(track.boxes[at], np.float32)
    return None


def _choice(
    places: Sequence[_Place], tracks: Sequence[BoxTrack], start: str, follow: bool
) -> Choice:
    middle = len(places) // 2 if start == "middle" else None
    lead = places[len(places) // 2]
    found = lead.pivot.candidates
    boxes, sure = _along(places, tracks)
    pivots = [_record(place, n == middle) for n, place in enumerate(places)]
    frames = ", ".join(str(place.pivot.frame_idx) for place in places)
    said = shorten(lead.pivot.reason, _LONGEST, placeholder=" …")
    marked = {pivot.frame_idx for pivot in pivots if pivot.start}
    prompted = boxes if follow else {place.pivot.frame_idx: place.box for place in places}
    return Choice(
        reason=f"The LLM chose it on frame{'s' if len(places) > 1 else ''} {frames}"
        + (f": “{said}”" if said else "."),
        label=found.phrases[lead.i],
        score=float(found.scores[lead.i]),
        target=int(found.targets[lead.i]),
        boxes=boxes,
        pivots=pivots,
        prompts=[
            PromptArguments(
                frame_idx=i, box=numbers(box), start=i in marked, confidence=sure.get(i, 1.0)
            )
            for i, box in sorted(prompted.items())
        ],
    )


def _along(
    places: Sequence[_Place], tracks: Sequence[BoxTrack]
) -> tuple[dict[int, Floats], dict[int, float]]:
    """`frame_idx` -> box: on the pivots as chosen, elsewhere by the tracks through them.

    Besides, how sure those of the tracks are.
    """
    boxes: dict[int, Floats] = {}
    sure: dict[int, float] = {}
    on = [n for place in places if (n := _track_of(place, tracks)) is not None]
    # Where tracks of several pivots disagree, the one with the fewest is believed last.
    for n in sorted(set(on), key=on.count):
        track = tracks[n]
        frames = track.frame_idxs.tolist()
        boxes |= dict(zip(frames, track.boxes, strict=True))
        scores = np.clip(track.scores, 0, 1).astype(float).round(4).tolist()
        sure |= dict(zip(frames, scores, strict=True))
    chosen = {place.pivot.frame_idx: place.box for place in places}
    return boxes | chosen, {i: score for i, score in sure.items() if i not in chosen}


def _record(place: _Place, start: bool) -> PivotRecord:
    found = place.pivot.candidates
    return PivotRecord(
        frame_idx=place.pivot.frame_idx,
        box=numbers(place.box),
        score=round(float(found.scores[place.i]), 4),
        start=start,
        reason=shorten(place.pivot.reason, _LONGEST, placeholder=" …"),
    )


def candidates(frames: Mapping[int, Detections], frame_idx: int, most: int) -> Detections | None:
    """The best boxes on a frame, of all targets, those of one thing once; None where there is none.

    Args:
        frames: `frame_idx` -> what was detected.
        frame_idx: The frame.
        most: At most this many.
    """
    found = frames.get(frame_idx)
    if found is None:
        return None
    keep: list[int] = []
    for i in np.argsort(-found.scores, kind="stable").tolist():
        # Two targets ("man", "rider") may see one and the same thing.
        if len(keep) < most and all(iou(found.boxes[i], found.boxes[j]) < 0.9 for j in keep):
            keep.append(i)
    if not keep:
        return None
    return Detections(
        frame_idx,
        found.boxes[keep],
        found.scores[keep],
        tuple(found.phrases[i] for i in keep),
        found.targets[keep],
    )


def placeholder(n: int, frame_idx: int = 0) -> Detections:
    """`n` boxes of nothing: what is not known yet, or not there."""
    boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (n, 1))
    zeros = np.zeros(n, np.float32)
    return Detections(frame_idx, boxes, zeros, ("object",) * n, zeros.astype(np.int32))
