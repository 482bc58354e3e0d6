"""What the detector saw where it mattered, and what the tracks were that could be chosen from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alref_agent.agent.boxes import iou
from alref_agent.agent.pivots import candidates
from alref_agent.errors import AlrefError
from alref_agent.record import Call, ObjectRecord
from alref_agent.report.pictures import Album, Embedded
from alref_agent.report.stills import Stills, evenly
from alref_agent.report.words import shorter
from alref_agent.types import Detections, Floats
from alref_agent.workspace import Workspace

MOST_LOOKS = 8
"""Frames on which candidates are shown for an expression."""
MOST_TRACKS = 12
_SAME = 0.95
"""Boxes that overlap this much (IoU) are one; records round them."""


@dataclass(frozen=True)
class Candidate:
    """A box that was drawn."""

    number: int
    phrase: str
    score: float | None
    chosen: bool


@dataclass(frozen=True)
class Look:
    """The candidates on one frame."""

    place: str
    picture: Embedded
    candidates: list[Candidate]
    more: int
    """Weaker boxes that are not drawn."""


@dataclass(frozen=True)
class Track:
    """A box track that could be chosen."""

    id: str
    label: str
    score: float
    surest: float
    n_detected: int
    first: str
    last: str
    chosen: bool


class Seen:
    """What the tools saw for the expressions of a run, from the record of their calls."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._frames: dict[str, dict[int, Detections]] = {}
        self._tracks: dict[str, list[dict[str, object]]] = {}
        self._chosen: set[str] = set()
        expression_of: dict[str, str] = {}
        for call in workspace.calls():
            if call.result is None:
                continue
            for found in _listed(call, "detect_objects", "detections"):
                item, expression = str(found.get("id")), str(found.get("expression"))
                expression_of[item] = expression
                self._keep(expression, item)
            for linked in _listed(call, "link_boxes", "linked"):
                expression = expression_of.get(str(linked.get("detections")), "")
                tracks = linked.get("tracks")
                self._tracks[expression] = list(tracks) if isinstance(tracks, list) else []
            if call.tool == "segment_video" and call.arguments:
                objects = call.arguments.get("objects") or []
                # The last one made the masks of the answer.
                self._chosen = {str(each.get("box_track")) for each in objects}

    def looks(
        self,
        expression: str,
        objects: Sequence[ObjectRecord],
        wanted: Sequence[int],
        stills: Stills,
        album: Album,
        most_boxes: int,
    ) -> tuple[list[Look], int]:
        """The frames that mattered for an expression, and how many more there are.

        Args:
            expression: Its text.
            objects: What it was answered with.
            wanted: Frames that an LLM named, besides the pivots.
            stills: The frames.
            album: Where pictures go.
            most_boxes: At most this many boxes are drawn on a frame, as for the LLM.
        """
        frames = self._frames.get(expression, {})
        tracked = any(str(t.get("id")) in self._chosen for t in self._tracks.get(expression, []))
        own = "box of the track" if tracked else "not the detector's"
        pivots: dict[int, list[Floats]] = {}
        for record in objects:
            for pivot in record.pivots:
                if stills.has(pivot.frame_idx):
                    box = np.array(pivot.box, np.float32)
                    pivots.setdefault(pivot.frame_idx, []).append(box)
        chosen = sorted({*pivots, *(i for i in wanted if i in frames)})
        if not chosen:
            # Nobody chose a frame: those with the surest boxes tell most.
            best = {i: float(f.scores.max()) for i, f in frames.items() if len(f.scores)}
            chosen = sorted(sorted(best, key=lambda i: -best[i])[:2])
        kept = [chosen[i] for i in evenly(len(chosen), MOST_LOOKS)] if chosen else []
        looks = [
            _look(i, frames, pivots.get(i, []), own, stills, album, expression, most_boxes)
            for i in kept
        ]
        return looks, len(chosen) - len(kept)

    def tracks(self, expression: str, stills: Stills) -> tuple[list[Track], int]:
        """The box tracks of an expression, chosen ones first, and how many more there are."""
        read = []
        for each in self._tracks.get(expression, []):
            try:
                read.append(_track(each, stills, str(each["id"]) in self._chosen))
            except (KeyError, TypeError, ValueError):
                continue
        read.sort(key=lambda track: (not track.chosen, -track.score))
        return read[:MOST_TRACKS], max(0, len(read) - MOST_TRACKS)

    def _keep(self, expression: str, item: str) -> None:
        try:
            frames = self._workspace.detections(item)[2]
        except AlrefError:
            return
        # A later look is the one that counted: the fall-back looks again at a lower threshold.
        self._frames.setdefault(expression, {}).update({f.frame_idx: f for f in frames})


def _look(
    frame_idx: int,
    frames: Mapping[int, Detections],
    pivots: Sequence[Floats],
    own: str,
    stills: Stills,
    album: Album,
    expression: str,
    most_boxes: int,
) -> Look:
    found = candidates(frames, frame_idx, most_boxes)
    boxes = list(found.boxes) if found is not None else []
    listed = [
        Candidate(
            number=n,
            phrase=shorter(found.phrases[n - 1]) if found is not None else "",
            score=float(found.scores[n - 1]) if found is not None else None,
            chosen=any(iou(box, pivot) >= _SAME for pivot in pivots),
        )
        for n, box in enumerate(boxes, start=1)
    ]
    for pivot in pivots:
        if all(iou(box, pivot) < _SAME for box in boxes):
            boxes.append(pivot)
            listed.append(Candidate(len(boxes), own, None, True))
    place = stills.place(frame_idx)
    alt = f"Candidates for “{shorter(expression)}” on {place}"
    picture = stills.boxed(frame_idx, np.array(boxes, np.float32).reshape(-1, 4))
    n_all = len(frames[frame_idx].scores) if frame_idx in frames else 0
    return Look(
        place=place,
        picture=album.none(alt, "the frame cannot be read")
        if picture is None
        else album.drawn(picture, alt),
        candidates=listed,
        more=max(0, n_all - (len(found.scores) if found is not None else 0)),
    )


def _track(each: Mapping[str, object], stills: Stills, chosen: bool) -> Track:
    def number(key: str) -> float:
        return float(str(each[key]))

    return Track(
        id=shorter(str(each["id"]), 40),
        label=shorter(str(each["label"])),
        score=number("score"),
        surest=number("best_score"),
        n_detected=int(number("n_detected")),
        first=stills.time(int(number("first_frame"))),
        last=stills.time(int(number("last_frame"))),
        chosen=chosen,
    )


def _listed(call: Call, tool: str, key: str) -> list[dict[str, object]]:
    """The entries of a tool's result; none where it is another tool's."""
    entries = call.result.get(key) if call.tool == tool and call.result else None
    return [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
