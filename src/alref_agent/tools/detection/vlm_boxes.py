"""Boxes as an LLM wrote them -> boxes in pixels of the frame, or what is wrong with them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from pydantic import BaseModel

from alref_agent.errors import ReplyError
from alref_agent.tools.detection.vlm_conventions import Convention
from alref_agent.tools.detection.vlm_replies import Written, written_boxes

OVERHANG = 0.02
"""Of a side of the picture: a box that reaches this far beyond it is cut, one further is wrong."""
LEAST = 0.5
"""Pixels of the frame: the least width and height of a box."""
UNSTATED = 1.0
"""The score of a box whose LLM stated no confidence."""
LONGEST_LABEL = 80
"""Characters."""

Corners = tuple[float, float, float, float]


class DetectAnswer(BaseModel):
    """What was read from a reply: boxes, surest first."""

    boxes: tuple[Corners, ...]
    """xyxy in pixels of the frame."""
    labels: tuple[str, ...]
    """What the LLM calls each; empty where it said nothing."""
    scores: tuple[float, ...]
    """The confidence that it stated, in [0, 1], else `UNSTATED`. It is not calibrated: no number of
    boxes in a hundred with 0.8 is right."""


def read_boxes(
    reply: str,
    asked: Convention,
    sent: tuple[int, int],
    frame: tuple[int, int],
    max_boxes: int = 20,
    most_overlap: float = 0.8,
) -> DetectAnswer:
    """The boxes of a reply, in pixels of the frame.

    Args:
        reply: The text.
        asked: How boxes should be written.
        sent: `(height, width)` of the picture as it was sent.
        frame: `(height, width)` of the frame that it shows.
        max_boxes: At most so many are taken, the surest.
        most_overlap: Of boxes that overlap more than this (IoU) the surest is taken, as in
            `detector.nms_threshold`; 1: all but equal ones are.

    Raises:
        ReplyError: It cannot be read, or holds a box that cannot be.
    """
    found = [
        (box.score if box.score is not None else UNSTATED, _pixels(box, sent, frame, reply), box)
        for box in written_boxes(reply, asked)
    ]
    kept: list[tuple[float, Corners, Written]] = []
    # Equals stay in the order of the reply, which is asked for the surest first.
    for entry in sorted(found, key=lambda entry: -entry[0]):
        again = (box == entry[1] or _iou(box, entry[1]) > most_overlap for _, box, _ in kept)
        if len(kept) < max_boxes and not any(again):
            kept.append(entry)
    return DetectAnswer(
        boxes=tuple(box for _, box, _ in kept),
        labels=tuple(_label(box.label) for _, _, box in kept),
        scores=tuple(score for score, _, _ in kept),
    )


def _pixels(written: Written, sent: tuple[int, int], frame: tuple[int, int], reply: str) -> Corners:
    """A box in pixels of the frame."""
    convention = written.convention
    said = written.numbers
    height, width = (float(side) if convention.scale is None else convention.scale for side in sent)
    if (convention.scale or sum(sent)) > 1 and _fractions(said):
        raise ReplyError(
            f"its box {_shown(said)} seems to be in fractions: {_range(width, height)}.", reply
        )
    x0, y0, x1, y1 = (said[1], said[0], said[3], said[2]) if convention.y_first else said
    for low, high, end in ((x0, x1, width), (y0, y1, height)):
        if low < -OVERHANG * end or high > (1 + OVERHANG) * end:
            raise ReplyError(
                f"its box {_shown(said)} lies outside the picture: {_range(width, height)}.", reply
            )
    x0, x1 = (min(max(x, 0.0), width) for x in (x0, x1))
    y0, y1 = (min(max(y, 0.0), height) for y in (y0, y1))
    if x0 >= x1 or y0 >= y1:
        order = convention.corners
        raise ReplyError(f"its box {_shown(said)} is empty or upside down; write {order}.", reply)
    across, down = frame[1] / width, frame[0] / height
    box = x0 * across, y0 * down, x1 * across, y1 * down
    if box[2] - box[0] < LEAST or box[3] - box[1] < LEAST:
        raise ReplyError(f"its box {_shown(said)} is smaller than a pixel.", reply)
    a, b, c, d = (round(side, 2) for side in box)
    return a, b, c, d


def _fractions(numbers: Sequence[float]) -> bool:
    """Whether a box is meant in parts of the picture, though it was asked for otherwise."""
    return all(0 <= number <= 1 for number in numbers) and any(numbers)


def _range(width: float, height: float) -> str:
    if width == height:
        return f"numbers go from 0 to {width:g}"
    return f"x goes from 0 to {width:g}, y from 0 to {height:g}"


def _shown(numbers: Sequence[float]) -> str:
    return "[" + ", ".join(f"{number:g}" for number in numbers) + "]"


def _label(text: str) -> str:
    """A label in one line; it goes into the record, the report and later prompts."""
    plain = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text[:1000])
    return " ".join(plain.split())[:LONGEST_LABEL]


def _iou(a: Corners, b: Corners) -> float:
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return across * down / (sum(areas) - across * down)
