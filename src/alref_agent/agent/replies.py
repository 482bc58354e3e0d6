"""Reply text -> answer, or `ReplyError`: never a guess, never a silent default."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from alref_agent.agent.answers import PivotBoxAnswer, PivotFrameAnswer
from alref_agent.agent.brackets import bracketed, ends_in_brackets, spoken, without_answer
from alref_agent.agent.json_replies import json_object
from alref_agent.errors import ReplyError
from alref_agent.prompts.prompt import Prompt

_LONGEST_MAPPING = 50_000
"""Characters of a mapping that `named_frames` takes."""


def frame_reader(prompt: Prompt, n_frames: int) -> Callable[[str], PivotFrameAnswer]:
    """What reads the replies to a `pivot-frame` prompt.

    Args:
        prompt: Says whether the answer is bracketed or JSON.
        n_frames: Frames on the sheet.
    """

    def read(reply: str) -> PivotFrameAnswer:
        content = _json(reply, "frame", prompt)
        if content is not None:
            named = content["frame"]
            number = -1 if named is None else _whole(named, reply)
            frame = None if number == -1 else _in_range(number, n_frames, "frame", reply)
            return PivotFrameAnswer(frame=frame, **_about(content, reply))
        numbers = bracketed(reply)
        if len(numbers) > 1:
            raise ReplyError(f"it names the frames {numbers!r:.60}, and one is asked for.", reply)
        chosen = _in_range(numbers[0], n_frames, "frame", reply) if numbers else None
        return PivotFrameAnswer(frame=chosen, reason=without_answer(reply))

    return read


def box_reader(prompt: Prompt, n_boxes: int) -> Callable[[str], PivotBoxAnswer]:
    """What reads the replies to a `pivot-box` prompt.

    Args:
        prompt: Says whether the answer is bracketed or JSON.
        n_boxes: Boxes drawn.
    """

    def read(reply: str) -> PivotBoxAnswer:
        content = _json(reply, "boxes", prompt)
        if content is not None:
            named = content["boxes"]
            listed = named if isinstance(named, list) else [] if named is None else [named]
            numbers = [_whole(number, reply) for number in listed]
            numbers = [] if numbers == [-1] else list(dict.fromkeys(numbers))
            about = _about(content, reply)
        else:
            numbers = bracketed(reply)
            about = {"reason": without_answer(reply)}
        boxes = tuple(_in_range(number, n_boxes, "box", reply) for number in numbers)
        return PivotBoxAnswer(boxes=boxes, **about)

    return read


def named_frames(reply: str) -> list[tuple[str, int]]:
    """Objects and the number of the best frame of each: LBRU's published form, `{'dog': 2}`.

    The form of the replies that the authors of AL-Ref-SAM 2 published (`gpt_results`). A name may
    come twice, for two objects of a kind.

    Raises:
        ReplyError: It is no such mapping.
    """
    text = spoken(reply)
    written = text[text.find("{") : text.rfind("}") + 1].strip()
    try:
        if len(written) > _LONGEST_MAPPING:
            raise ValueError
        node = ast.parse(written, mode="eval").body
        if not isinstance(node, ast.Dict) or None in node.keys:
            raise ValueError
        names = [ast.literal_eval(key) for key in node.keys if key is not None]
        numbers = [ast.literal_eval(value) for value in node.values]
        if not all(isinstance(name, str) for name in names):
            raise ValueError
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise ReplyError("it holds no mapping such as {'dog': 2}.", reply) from error
    return [(name, _whole(number, reply)) for name, number in zip(names, numbers, strict=True)]


def _json(reply: str, needed: str, prompt: Prompt) -> dict[str, Any] | None:
    """The JSON answer: asked for, or given though brackets were asked for.

    Where brackets were asked for, brackets after the JSON come first, then the JSON's own field,
    then brackets before the JSON. Brackets within the JSON are never the answer (`bracketed`).
    """
    if prompt.reply == "json":
        return json_object(reply, needed, prompt.schema)
    if "{" not in reply or ends_in_brackets(reply):
        return None
    try:
        return json_object(reply, needed)
    except ReplyError:
        return None


def _about(content: Mapping[str, Any], reply: str) -> dict[str, Any]:
    reason, confidence = content.get("reason"), content.get("confidence")
    if confidence is not None and (
        isinstance(confidence, bool)
        or not isinstance(confidence, int | float)
        or not 0 <= confidence <= 1
    ):
        raise ReplyError(f"its confidence is {confidence!r}, not a number from 0 to 1.", reply)
    return {"reason": reason if isinstance(reason, str) else "", "confidence": confidence}


def _whole(number: object, reply: str) -> int:
    if isinstance(number, int) and not isinstance(number, bool):
        return number
    if isinstance(number, float) and number.is_integer():
        return int(number)
    raise ReplyError(f"it gives {number!r:.60} where a whole number is asked for.", reply)


def _in_range(number: int, n: int, what: str, reply: str) -> int:
    if not 1 <= number <= n:
        there = f"there is only {what} 1" if n == 1 else f"they are numbered 1 to {n}"
        raise ReplyError(f"it names {what} {number}; {there}.", reply)
    return number
