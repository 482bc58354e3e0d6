"""Who answers: minds look at what a request shows and say what they mean, not how.

| written | what it does |
|---|---|
| `marker`, `marker:R,G,B` | the frame where a marker of that colour is largest; the box around it |
| `colour:NAME` | the box drawn in that colour; for frames, the first |
| `none` | the object is not there |
| `fixed:N`, `fixed:N/M` | frame N and box N, or frame N and box M |
| `random:SEED` | one of the frames or boxes that are there; the same for the same request |
| `locates:R,G,B` | asked for boxes: around what has that colour, in the form that is asked for |

A mind of a test's own is any callable of that form: an oracle, for instance. Asked for neither a
frame nor a box, those above read the number that a picture shows; asked where something is, all but
`locates` say that it fills the middle of the picture.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import TypeAlias

from alref_agent.media.palette import COLOUR_NAMES
from llm_server.eyes import (
    MARKER,
    boxes_around,
    boxes_drawn,
    frames_numbered,
    marker_sizes,
    written_number,
)
from llm_server.locating import locates, middle, place_of
from llm_server.seen import Answer, Seen, boxes, frame, says

Mind: TypeAlias = Callable[[Seen], Answer]


def marker(colour: tuple[int, int, int] = MARKER) -> Mind:
    def mind(seen: Seen) -> Answer:
        if seen.step == "pivot-frame":
            sizes = marker_sizes(seen.pictures, colour)
            best = max(sizes, key=lambda number: sizes[number], default=None)
            if best is None or not sizes[best]:
                return frame(None, f"The marker shows on none of {len(sizes)} frames.")
            seen_on = ", ".join(f"{size} of frame {n}" for n, size in sorted(sizes.items()))
            return frame(best, f"The marker covers so many pixels: {seen_on}.")
        around = boxes_around(seen.pictures, colour)
        drawn = ", ".join(boxes_drawn(seen.pictures)) or "none"
        words = f"The boxes that are drawn: {drawn}. "
        if not around:
            return boxes(words=words + "The marker is in none of them.")
        number, share = around[0]
        return boxes(number, words=words + f"The marker is {share:.0%} of one of them.")

    return _otherwise_reads(mind)


def colour(name: str) -> Mind:
    number = COLOUR_NAMES.index(name) + 1

    def mind(seen: Seen) -> Answer:
        if seen.step == "pivot-frame":
            return frame(_there(seen)[0])
        drawn = boxes_drawn(seen.pictures)
        words = f"The boxes that are drawn: {', '.join(drawn) or 'none'}."
        return boxes(number, words=words) if name in drawn else boxes(words=words)

    return _otherwise_reads(mind)


def none() -> Mind:
    words = "What is described is not to be seen."
    return _otherwise_reads(
        lambda seen: frame(None, words) if seen.step == "pivot-frame" else boxes(words=words)
    )


def fixed(frame_number: int, box_number: int | None = None) -> Mind:
    box = frame_number if box_number is None else box_number
    return _otherwise_reads(
        lambda seen: frame(frame_number) if seen.step == "pivot-frame" else boxes(box)
    )


def at_random(seed: int) -> Mind:
    def mind(seen: Seen) -> Answer:
        # Requests arrive in any order, so the answer hangs on what is asked alone.
        asked = json.dumps([seed, seen.body.get("messages")], sort_keys=True)
        number = random.Random(asked).choice(_there(seen))
        return frame(number) if seen.step == "pivot-frame" else boxes(number)

    return _otherwise_reads(mind)


def mind_named(mind: str | Mind) -> Mind:
    if not isinstance(mind, str):
        return mind
    name, _, argument = mind.partition(":")
    if name == "marker":
        if not argument:
            return marker()
        red, green, blue = map(int, argument.split(","))
        return marker((red, green, blue))
    if name == "fixed":
        return fixed(*map(int, argument.split("/")))
    if name == "random":
        return at_random(int(argument))
    if name == "colour" and argument in COLOUR_NAMES:
        return colour(argument)
    if name == "locates":
        red, green, blue = map(int, argument.split(","))
        return locates(lambda picture: place_of(picture, (red, green, blue)))
    if mind == "none":
        return none()
    raise ValueError(f"no mind {mind!r}; known: marker, colour:NAME, none, fixed:N, random:SEED")


def _there(seen: Seen) -> list[int]:
    """Numbers of the frames or boxes to choose from, in pictures or in words."""
    kind = "Box" if seen.step == "pivot-box" else "Frame"
    if seen.pictures and kind == "Frame":
        numbers = frames_numbered(seen.pictures)
    elif seen.pictures:
        numbers = [COLOUR_NAMES.index(name) + 1 for name in boxes_drawn(seen.pictures)]
    else:
        numbers = [int(n) for n in re.findall(rf"^\W*{kind} (\d+)", seen.text, re.M | re.I)]
    return numbers or [1]


def _otherwise_reads(mind: Mind) -> Mind:
    def either(seen: Seen) -> Answer:
        if seen.step == "detect":  # of those it knows nothing: the middle of the picture
            return locates(middle)(seen)
        return _reads(seen) if seen.step == "other" else mind(seen)

    return either


def _reads(seen: Seen) -> Answer:
    for picture in reversed(seen.pictures):
        number = written_number(picture)
        if number is not None:
            return says(number)
        return says(f"A picture of {picture.shape[1]} x {picture.shape[0]} pixels.")
    told = re.findall(r"\d+", next((t.text for t in reversed(seen.turns) if t.role == "user"), ""))
    return says(told[-1] if told else "I see no picture.")
