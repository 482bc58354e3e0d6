"""What a request shows to a mind, and what the mind answers; the same for every API."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Rgb: TypeAlias = npt.NDArray[np.uint8]
Step: TypeAlias = Literal["pivot-frame", "pivot-box", "detect", "other"]
Finish: TypeAlias = Literal["stop", "length", "content_filter"]


@dataclass(frozen=True)
class Call:
    """A tool call; `arguments` is a raw string where a model would write broken JSON."""

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str = ""


@dataclass(frozen=True)
class Turn:
    role: str
    text: str
    pictures: tuple[Rgb, ...] = ()
    calls: tuple[Call, ...] = ()
    call_id: str = ""


@dataclass(frozen=True)
class Seen:
    """A request, whatever API it came by."""

    model: str
    turns: tuple[Turn, ...]
    schema: Mapping[str, Any] | None
    tools: tuple[Mapping[str, Any], ...]
    key: str
    """The API key that came with it."""
    number: int
    """Of the request, counted from 0."""
    body: Mapping[str, Any]

    @cached_property
    def text(self) -> str:
        """All that the user and the system said."""
        return "\n".join(turn.text for turn in self.turns if turn.role in ("system", "user"))

    @cached_property
    def pictures(self) -> tuple[Rgb, ...]:
        return tuple(picture for turn in self.turns for picture in turn.pictures)

    @property
    def n_replies(self) -> int:
        return sum(turn.role == "assistant" for turn in self.turns)

    @property
    def corrected(self) -> bool:
        """Whether the model is shown a reply of its own and told what is wrong with it."""
        return any(
            one.role == "assistant" and not one.calls and two.role == "user"
            for one, two in zip(self.turns, self.turns[1:], strict=False)
        )

    @cached_property
    def step(self) -> Step:
        """Which question this is: by the schema, else by what the words ask for."""
        asked = set((self.schema or {}).get("properties", ()))
        if asked:
            if "boxes" in asked:
                return "pivot-box"
            return "pivot-frame" if "frame" in asked else "other"
        # What stands between quotes is what users and detectors say, not what is asked.
        words = re.sub(r'"(?:[^"\\\n]|\\.)*"', "", self.text).lower()
        if re.search(r"\bb?box_2d\b", words):
            return "detect"
        if re.search(r"\bbox(es)?\b", words):
            return "pivot-box"
        return "pivot-frame" if re.search(r"\bframes?\b", words) else "other"


@dataclass(frozen=True)
class Answer:
    """What a mind means, before a style dresses it; made by the functions below."""

    kind: Literal["frame", "boxes", "text", "calls"]
    numbers: tuple[int, ...] = ()
    """Of the frame or of the boxes; none: the object is not there."""
    words: str = "It is a short video. Something moves from left to right and is seen well."
    """The reasoning, or the whole of a free answer."""
    calls: tuple[Call, ...] = ()


def frame(number: int | None, words: str = Answer.words) -> Answer:
    return Answer("frame", () if number is None else (number,), words)


def boxes(*numbers: int, words: str = Answer.words) -> Answer:
    return Answer("boxes", numbers, words)


def says(words: str) -> Answer:
    return Answer("text", words=words)


def calls(wanted: Sequence[Call | Mapping[str, Any]], words: str = "") -> Answer:
    """Ask for tools, each a `Call` or `{"name": …, "arguments": …}`."""
    made = tuple(
        one if isinstance(one, Call) else Call(one["name"], one.get("arguments", {}))
        for one in wanted
    )
    return Answer("calls", words=words, calls=made)


@dataclass(frozen=True)
class Dressed:
    """What is sent back, before an API gives it its form."""

    text: str
    finish: Finish = "stop"
    calls: tuple[Call, ...] = ()
    refusal: str | None = None
    reasoning: str | None = None
    """Sent beside the text, in a field of its own."""
    page: str | None = None
    """A web page, instead of everything else."""
    spoilt: bool = False
    """Whether `BAD` in the text is sent as bytes that are not UTF-8."""
    choices: bool = True
    """Whether there is any answer at all in the well-formed reply."""


BAD = "\ue000"


def n_tokens(text: str, pictures: Sequence[Rgb] = ()) -> int:
    """About what a real server would count."""
    sizes = [picture.shape[:2] for picture in pictures]
    tiles = sum(int(-(-high // 512) * -(-wide // 512)) for high, wide in sizes)
    return max(1, len(text) // 4) + 85 * len(sizes) + 170 * tiles
