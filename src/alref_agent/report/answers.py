"""What came of each object: a sentence, and a strip of frames with its mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from alref_agent.record import ObjectRecord, RunResult
from alref_agent.report.pictures import Album, Embedded
from alref_agent.report.stills import Stills, chosen_among, evenly
from alref_agent.report.words import counted, cut, shorter

FRAMES = 8
"""Of a strip, beside those that were chosen as pivots."""
MOST_PIVOTS = 8
MOST_STRIPS = 24
"""Objects that have a strip; a crowd would make a page that opens nowhere."""

STATUS = {"found": "found", "no-target": "not in the video", "failed": "failed"}


@dataclass(frozen=True)
class Still:
    """One frame of a strip."""

    picture: Embedded
    name: str
    time: str
    pivot: bool
    seen: bool


@dataclass(frozen=True)
class Found:
    """What the page says of one object of the result."""

    record: ObjectRecord
    colour: int | None
    """Number of its colour; None: it is in no picture."""
    status: str
    sentence: str
    reason: str
    same_as: str
    """Another expression that names the same object, whose strip shows it."""
    strip: list[Still]
    left_out: str
    """Why there is no strip."""


def answers(
    result: RunResult, stills: Stills, album: Album, colours: Mapping[int, int]
) -> list[Found]:
    """What came of every object, in the order of the result."""
    shown: dict[int, str] = {}
    found = []
    for record in result.objects:
        strip: list[Still] = []
        same_as = left_out = ""
        if record.n_frames and record.status == "found":
            if record.obj_id in shown:
                same_as = shown[record.obj_id]
            elif len(shown) < MOST_STRIPS:
                strip = _strip(record, stills, album)
            else:
                left_out = f"Only the first {MOST_STRIPS} objects are shown in pictures here."
            shown.setdefault(record.obj_id, record.expression)
        found.append(
            Found(
                record=record,
                colour=colours.get(record.obj_id) if record.n_frames else None,
                status=STATUS[record.status],
                sentence=_sentence(record, stills),
                reason=cut(record.reason, 4000),
                same_as=same_as,
                strip=strip,
                left_out=left_out,
            )
        )
    return found


def headline(result: RunResult, video: str) -> str:
    """What came of the run in one line."""
    asked = {r.exp_id: r.text for r in result.references}
    asked |= {r.exp_id: r.expression for r in result.objects}
    found = {record.exp_id for record in result.objects if record.status == "found"}
    if len(asked) == 1:
        (text,) = asked.values()
        (record, *_) = [*result.objects, None]
        status = "found" if found else STATUS[record.status] if record else "no answer"
        return f"“{shorter(text)}” in {video}: {status}"
    return f"{len(found)} of {counted(len(asked), 'expression')} found in {video}"


def _sentence(record: ObjectRecord, stills: Stills) -> str:
    if record.status == "no-target":
        return "It is not in this video, or could not be told from other things."
    if record.status == "failed":
        return "There is no answer, because something went wrong."
    label = f"The detector calls it “{shorter(record.label)}”" if record.label else ""
    score = f"score {record.score:.2f}" if record.score is not None else ""
    said = f"{label}, {score}." if label and score else f"{label or score.capitalize()}."
    return f"{_when(record, stills)} {said if label or score else ''}".strip()


def _when(record: ObjectRecord, stills: Stills) -> str:
    n = stills.n_frames
    if record.n_frames == n:
        return f"Seen on all {n:,} frames."
    first, last = record.first_frame, record.last_frame
    when = ""
    if first is not None and last is not None:
        when = f", between {stills.time(first)} and {stills.time(last)}"
    return f"Seen on {record.n_frames:,} of {counted(n, 'frame')}{when}."


def _strip(record: ObjectRecord, stills: Stills, album: Album) -> list[Still]:
    pivots = {p.frame_idx for p in record.pivots if stills.has(p.frame_idx)}
    strip = []
    for i in chosen_among(evenly(stills.n_frames, FRAMES), sorted(pivots), MOST_PIVOTS):
        picture, seen = stills.masked(i, record.obj_id)
        name = f"“{shorter(record.expression)}” on {stills.place(i)}"
        alt = f"{name}: {'tinted and outlined' if seen else 'not seen'}"
        strip.append(
            Still(
                picture=album.none(alt, "the frame cannot be read")
                if picture is None
                else album.drawn(picture, alt),
                name=stills.name(i),
                time=stills.time(i),
                pivot=i in pivots,
                seen=seen,
            )
        )
    return strip
