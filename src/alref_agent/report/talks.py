"""What the LLM was asked and what it said, question by question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from alref_agent.record import RequestRecord
from alref_agent.report.pictures import Album, Embedded
from alref_agent.report.stills import Stills
from alref_agent.report.words import cut, money, shorter, took

MOST = 240
"""Questions on one page; the record has all of them."""
OPEN = 3
"""So many questions of a step are open at once; more are closed, each with its outcome in sight."""
_FRAME, _BOX, _AGENT, _DETECT = "pivot-frame", "pivot-box", "agent", "detect"
_SOURCES = {"llm": "", "cache": "from the cache", "replay": "replayed"}
_ENDS = {
    "length": "cut off at the token limit",
    "refusal": "refused",
    "unreadable": "not readable as text",
}
_LISTED = 12


@dataclass(frozen=True)
class Turn:
    """A request and its reply."""

    record: RequestRecord
    told: str
    """What `text` is."""
    text: str
    reply: str
    tools: list[str]
    """Tools that the model asks to be called."""
    understood: list[str]
    marks: list[str]
    """`repair`, `from the cache`, …"""
    account: str
    """Who answered, tokens, money, seconds."""


@dataclass(frozen=True)
class Talk:
    """A question with its repair turns."""

    title: str
    outcome: str
    """In a few words."""
    mood: Literal["found", "failed", ""]
    """Whether something was chosen, no answer can be used, or the answer is that nothing fits."""
    open: bool
    frames: list[str]
    pictures: list[Embedded]
    turns: list[Turn]
    beside: str
    """`tall` or `square` where the pictures leave room for words beside them, else empty."""


@dataclass(frozen=True)
class Step:
    """All questions of one step about one expression."""

    title: str
    what: str
    """What is asked in this step, for a reader who never heard of it."""
    talks: list[Talk]
    left_out: int


_TITLES = {
    _FRAME: (
        "Step 1: which frame shows it best?",
        "The video is cut into windows of a few frames. The model says what happens in each and "
        "names the frame that shows the object best.",
    ),
    _BOX: (
        "Step 2: which box is it?",
        "The boxes of the detector on that frame are numbered. The model says what is in them and "
        "names the box, or the boxes, that hold what is meant.",
    ),
    _DETECT: ("The detector: where is it?", "The model says where on each frame it sees it."),
    _AGENT: (
        "The model at work, turn by turn",
        "The model was given the tools of this program and decided itself which to use.",
    ),
}


def steps(
    requests: Sequence[RequestRecord], stills: Stills, album: Album, most: int = MOST
) -> list[Step]:
    """The questions about one expression, by step, in the order in which they were asked."""
    by_step: dict[str, list[list[RequestRecord]]] = {}
    for record in requests:
        talks = by_step.setdefault(record.step, [])
        # The turns of a repair come right after what they repair.
        if record.repair and talks and talks[-1][0].frames == record.frames:
            talks[-1].append(record)
        else:
            talks.append([record])
    windows = list(dict.fromkeys(tuple(r.frames) for r in requests if r.step in (_FRAME, _BOX)))
    made = []
    for step, talks in by_step.items():
        title, what = _TITLES.get(step, (f"Step “{shorter(step)}”", ""))
        kept = talks[: max(1, most // len(by_step))]
        made.append(
            Step(
                title=title,
                what=what,
                talks=[
                    _talk(
                        records,
                        _titled(records[0], n, len(talks), windows, stills),
                        step == _AGENT and n > 1,
                        # Of a long conversation: what was seen, and how it ended.
                        len(talks) <= OPEN
                        or (step == _AGENT and (n == len(talks) or bool(records[0].pictures))),
                        stills,
                        album,
                    )
                    for n, records in enumerate(kept, start=1)
                ],
                left_out=len(talks) - len(kept),
            )
        )
    return made


def understood(record: RequestRecord, stills: Stills) -> list[str]:
    """What was read from a reply, a line for each thing, the answer first."""
    if record.understood is None:
        return []
    said = []
    order = {"frame": 0, "boxes": 0, "reason": 2}
    for key, value in sorted(record.understood.items(), key=lambda item: order.get(item[0], 1)):
        if key == "reason" and f'"{key}"' not in record.reply:
            continue  # It stands beside, in the model's own words.
        if key == "tool_calls" or (key == "text" and value == record.reply):
            continue  # So do these.
        if key == "confidence" and value is None:
            continue
        said.append(_thing(key, value, record, stills))
    return said


def _titled(
    record: RequestRecord,
    number: int,
    n: int,
    windows: Sequence[tuple[int, ...]],
    stills: Stills,
) -> str:
    """`Window 2 of 3: frames 00025 to 00045, 1.04 s to 1.88 s`."""
    what = "Frame" if record.step == _DETECT else "Turn"
    if record.step in (_FRAME, _BOX):
        # A window has one number in both steps, though step 2 need not see all of them.
        what, number, n = "Window", windows.index(tuple(record.frames)) + 1, len(windows)
    title = what if n == 1 else f"{what} {number:,} of {n:,}"
    frames = [i for i in record.frames if stills.has(i)]
    if not frames:
        return title
    first, last = frames[0], frames[-1]
    title = f"{title}, with a look at" if what == "Turn" else f"{title}:"
    if first == last:
        return f"{title} {stills.place(first)}"
    names = f"frames {stills.name(first)} to {stills.name(last)}"
    return f"{title} {names}, {stills.time(first)} to {stills.time(last)}"


def _talk(
    records: Sequence[RequestRecord],
    title: str,
    later: bool,
    open_: bool,
    stills: Stills,
    album: Album,
) -> Talk:
    first, last = records[0], records[-1]
    frames = [i for i in first.frames if stills.has(i)]
    lines = understood(last, stills)
    outcome = lines[0] if lines else last.reply
    if last.understood is None:
        outcome = "no usable answer"
    elif last.tool_calls:
        outcome = "asks for " + ", ".join(shorter(_tool_name(c), 40) for c in last.tool_calls[:4])
    alt = f"What the model saw: {title}"
    pictures = [album.file(name, alt) for name in dict.fromkeys(first.pictures)]
    return Talk(
        title=title,
        outcome=shorter(outcome, 100),
        mood=_mood(last),
        open=open_,
        frames=[stills.place(i) for i in frames[:_LISTED]],
        pictures=pictures,
        turns=[_turn(record, stills, later) for record in records],
        beside=_beside(pictures),
    )


def _mood(record: RequestRecord) -> Literal["found", "failed", ""]:
    if record.understood is None:
        return "failed"
    chosen = record.understood.get("frame", record.understood.get("boxes", True))
    return "found" if chosen else ""


def _beside(pictures: Sequence[Embedded]) -> str:
    if len(pictures) > 1 or any(p.height > 1.3 * p.width for p in pictures):
        return "tall"
    return "square" if any(p.height > 0.5 * p.width for p in pictures) else ""


def _turn(record: RequestRecord, stills: Stills, later: bool) -> Turn:
    marks = [
        "repair" if record.repair else "",
        _SOURCES[record.source],
        _ENDS.get(record.finish, ""),
        f"asked {record.attempts} times" if record.attempts > 1 else "",
    ]
    told = f"What the model was asked (prompt {record.prompt}, digest {record.prompt_digest})"
    if record.repair:
        told = "The model is shown its reply and what is wrong with it"
    elif later:
        told = "What the model was told next: what its tools answered"
    return Turn(
        record=record,
        told=told,
        text=cut(record.text),
        reply=cut(record.reply),
        tools=[cut(f"{_tool_name(c)}({_arguments(c)})", 2000) for c in record.tool_calls],
        understood=[cut(line, 2000) for line in understood(record, stills)],
        marks=[mark for mark in marks if mark],
        account=_account(record),
    )


def _account(record: RequestRecord) -> str:
    who = record.answered_by or record.asked
    tokens = [
        f"{n:,} tokens {way}"
        for n, way in ((record.input_tokens, "in"), (record.output_tokens, "out"))
        if n is not None
    ]
    parts = [shorter(who), ", ".join(tokens), money(record.cost), took(record.seconds)]
    return " · ".join(part for part in parts if part)


def _thing(key: str, value: Any, record: RequestRecord, stills: Stills) -> str:
    name = key.replace("_", " ")
    if key in ("frame", "frames"):
        numbers = _numbers(value)
        if numbers is None:
            return f"{name}: {value}"
        if not numbers:
            return "no frame shows it"
        return ", ".join(_frame(number, record, stills) for number in numbers)
    if key in ("box", "boxes"):
        numbers = _numbers(value)
        if numbers is None:
            return f"{name}: {value}"
        if not numbers:
            return "no box fits"
        which = ", ".join(str(number) for number in numbers)
        return f"box{'es' if len(numbers) > 1 else ''} {which}"
    if value is None or value == []:
        return f"{name}: none"
    return f"{name}: {value}"


def _frame(number: int, record: RequestRecord, stills: Stills) -> str:
    """The frame with a number on the sheet, and which one of the video that is."""
    if 1 <= number <= len(record.frames):
        return f"frame {number} → {stills.place(record.frames[number - 1])}"
    return f"frame {number}"


def _numbers(value: Any) -> list[int] | None:
    """A number or a list of them, none for null; None where it is something else."""
    listed = value if isinstance(value, list | tuple) else [] if value is None else [value]
    if all(isinstance(each, int) and not isinstance(each, bool) for each in listed):
        return list(listed)
    return None


def _tool_name(call: dict[str, Any]) -> str:
    return str(call.get("name", "a tool"))


def _arguments(call: dict[str, Any]) -> str:
    arguments = call.get("arguments", {})
    if not isinstance(arguments, dict):
        return str(arguments)
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())
