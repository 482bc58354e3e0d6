"""Reply text -> boxes as they were written; nothing is measured here, see `vlm_boxes`.

Three ways of writing are read: JSON (a list of objects, one object, a bare list of numbers), the
tags `<box>` and `<|box_start|>` of InternVL and Qwen-VL, the tokens `<loc0123>` of PaliGemma.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alref_agent.errors import ReplyError
from alref_agent.tools.detection.vlm_conventions import CONVENTIONS, KEYS, Convention

LONGEST = 100_000
"""Characters of a reply; a longer one is no list of boxes."""
_END_OF_THOUGHT = re.compile(r"</(?:think|thinking|reasoning|thought)>", re.IGNORECASE)
_OPEN_THOUGHT = re.compile(r"<(?:think|thinking|reasoning|thought)>", re.IGNORECASE)
_LOCATION = re.compile(r"<loc(\d{4})>")
_LOCATIONS = re.compile(r"((?:<loc\d{4}>\s*)+)([^;<\n]*)")
_TAGGED = re.compile(
    r"(?:(?:<ref>|<\|object_ref_start\|>)([^<]*)(?:</ref>|<\|object_ref_end\|>)\s*)?"
    r"(?:<box>|<\|box_start\|>)([^<]*)(?:</box>|<\|box_end\|>)"
)
_TAG = re.compile(r"<box>|<\|box_start\|>")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_STRUCTURE = re.compile(r"\[\s*(?:[\[{\]\"]|-?\d)|\{\s*\"")
"""Where JSON may begin; words in brackets are no JSON."""
_LISTS = ("boxes", "objects", "detections", "results", "bboxes", "answer")
"""Keys under which an object may hold the list."""
_LABELS = ("label", "name", "object", "class", "category")
_SCORES = ("confidence", "score")
_CORNERS = (
    ("x0", "y0", "x1", "y1"),
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("left", "top", "right", "bottom"),
)


@dataclass(frozen=True)
class Written:
    """A box as it was written."""

    numbers: tuple[float, float, float, float]
    convention: Convention
    """How it was written: as asked, unless its form says otherwise."""
    label: str = ""
    score: float | None = None
    """As stated, in [0, 1]; None: nothing was stated."""


def written_boxes(reply: str, asked: Convention) -> list[Written]:
    """The boxes of a reply, in its order; none where it says so with an empty list.

    Args:
        reply: The text.
        asked: How boxes should be written.

    Raises:
        ReplyError: It holds no boxes and no empty list, is cut off or broken, or writes boxes in
            another way than was asked.
    """
    if len(reply) > LONGEST:
        raise ReplyError(f"it has {len(reply)} characters, at most {LONGEST} are read.", reply)
    text = _said(reply)
    try:
        if _LOCATION.search(text):
            return list(_from_locations(text))
        if _TAG.search(text):
            return list(_from_tags(text, asked))
        return _from_json(text, asked)
    except _ProblemError as problem:
        raise ReplyError(str(problem), reply) from None


class _ProblemError(Exception):
    """What is wrong with a reply, which is not at hand where it was found."""


def _said(reply: str) -> str:
    """The reply without what the LLM only thought."""
    text = _END_OF_THOUGHT.split(reply)[-1]
    if _OPEN_THOUGHT.search(text):
        raise ReplyError("it holds a thought and no answer after it.", reply)
    return text


# Tokens and tags ------------------------------------------------------------------------------


def _from_locations(text: str) -> Iterator[Written]:
    for run, label in _LOCATIONS.findall(text):
        tokens = [float(number) for number in _LOCATION.findall(run)]
        if len(tokens) % 4:
            raise _ProblemError(f"it has {len(tokens)} location tokens in a row; a box has four.")
        for at in range(0, len(tokens), 4):
            yield Written(_four(tokens[at : at + 4]), CONVENTIONS["paligemma"], label.strip())


def _from_tags(text: str, asked: Convention) -> Iterator[Written]:
    found = _TAGGED.findall(text)
    if len(found) != len(_TAG.findall(text)):
        raise _ProblemError("a box in it is cut off.")
    for label, content in found:
        if re.search(r"[^\d\s\[\]().,-]", content):
            raise _ProblemError(f"a box in it is {content!r:.60}; four numbers are asked for.")
        numbers = [float(number) for number in _NUMBER.findall(content)]
        if not numbers or len(numbers) % 4:
            raise _ProblemError(f"a box in it has {len(numbers)} numbers; a box has four.")
        for at in range(0, len(numbers), 4):
            yield Written(_four(numbers[at : at + 4]), asked, label.strip(" \n:,;-"))


# JSON -----------------------------------------------------------------------------------------


def _from_json(text: str, asked: Convention) -> list[Written]:
    """The boxes of the last list; without a list, of the objects that stand by themselves."""
    lists: list[list[Any]] = []
    loose: list[Any] = []
    bare: list[Any] = []
    for value in _values(text):
        if _is_box(value):
            bare.append(value)
        elif isinstance(value, dict) and _has_box(value):
            loose.append(value)
        elif (held := _held(value)) is not None:
            lists.append(held)
    if lists:
        return [_written(entry, asked) for entry in lists[-1]]
    if not loose and len(bare) > 1:
        raise _ProblemError(f"it holds {len(bare)} lists of numbers; one JSON list is asked for.")
    if not loose and not bare:
        raise _ProblemError("it holds no JSON list of boxes; the empty list is [].")
    return [_written(entry, asked) for entry in loose or bare]


def _values(text: str) -> Iterator[Any]:
    """Every outermost JSON list or object of a text, in order."""
    decoder = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)
    start = _STRUCTURE.search(text)
    while start is not None:
        try:
            value, end = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            # What stands within what is broken is a part of the answer, and no answer.
            raise _ProblemError("its JSON is cut off or broken.") from None
        yield value
        start = _STRUCTURE.search(text, end)


def _held(value: Any) -> list[Any] | None:
    """The list of entries that a value is, or holds; None: it is none."""
    if isinstance(value, list):
        entries = all(isinstance(each, dict) or _is_box(each) for each in value)
        return value if entries else None
    inner = next((value[key] for key in _LISTS if isinstance(value.get(key), list)), None)
    return [inner] if _is_box(inner) else None if inner is None else _held(inner)


def _has_box(entry: Mapping[str, Any]) -> bool:
    return not KEYS.keys().isdisjoint(entry) or any(
        set(names) <= entry.keys() for names in _CORNERS
    )


def _is_box(value: Any) -> bool:
    """Whether a value is a list of four that are no lists: numbers, or what should be."""
    inner = (list, dict)
    return (
        isinstance(value, list)
        and len(value) == 4
        and not any(isinstance(each, inner) for each in value)
    )


def _written(entry: Any, asked: Convention) -> Written:
    if isinstance(entry, list):
        return Written(_four(entry), asked)
    label = next((entry[key] for key in _LABELS if isinstance(entry.get(key), str)), "")
    score = next((entry[key] for key in _SCORES if key in entry), None)
    if score is not None and not (_is_number(score) and 0 <= score <= 1):
        raise _ProblemError(f"a confidence in it is {score!r:.40}, not a number from 0 to 1.")
    key = next((key for key in KEYS if key in entry), None)
    content = entry if key is None else entry[key]
    if isinstance(content, dict):
        names = next((names for names in _CORNERS if set(names) <= content.keys()), None)
        if names is None:
            raise _ProblemError(f"an entry in it has no box: {entry!r:.80}.")
        numbers = _four([content[name] for name in names])
        # Named, they have no order of their own.
        if asked.y_first:
            numbers = numbers[1], numbers[0], numbers[3], numbers[2]
        return Written(numbers, asked, label, score)
    y_first = KEYS[key] if key is not None else None
    if y_first is not None and y_first != asked.y_first:
        raise _ProblemError(
            f"its key {key!r} means boxes in another order; {asked.key!r} with {asked.corners} is "
            "asked for."
        )
    if not _is_box(content):
        raise _ProblemError(f"a box in it is {content!r:.60}; four numbers are asked for.")
    return Written(_four(content), asked, label, score)


def _four(values: Sequence[Any]) -> tuple[float, float, float, float]:
    if len(values) != 4 or not all(_is_number(value) for value in values):
        raise _ProblemError(f"a box in it is {list(values)!r:.60}; four numbers are asked for.")
    a, b, c, d = (float(value) for value in values)
    return a, b, c, d


def _is_number(value: Any) -> bool:
    # Whole numbers of thousands of digits are no coordinates, and no floats.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise _ProblemError(f"its JSON has {name!r:.60} twice in one object.")
        content[name] = value
    return content


def _no_constant(name: str) -> None:
    raise _ProblemError(f"it has {name} for a number.")
