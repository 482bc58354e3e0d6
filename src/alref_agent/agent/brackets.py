"""Answers in square brackets: the number, or numbers, that a reply ends in."""

from __future__ import annotations

import re
import unicodedata

from alref_agent.errors import ReplyError

NOTHING = ("none", "null", "nothing", "no", "no box", "no frame", "no target", "n/a")
"""What stands for -1."""
_DASHES = str.maketrans("\u2212\u2012\u2013", "---")
"""Minus signs as typesetters have them."""
_GROUP = re.compile(r"\[([^\[\]]*)\]")
_TAIL = re.compile(r"[*_`]*\[([^\[\]]*)\][*_`.]*$")
_NUMBER = re.compile(r"(?:(?:frame|box|number|no\.?|#)\s*:?\s*)?([+-]?\d{1,6})(?:\.0+)?", re.I)
_LAST_LINE = re.compile(
    r"(?:the\s+)?(?:final\s+)?(?:answer|frame|box|number)\s*(?:is|:|=)\s*(.+?)", re.I
)
_THOUGHT = re.compile(r"<(think|thinking|reasoning|thought)>.*?</\1>", re.I | re.S)
_OPEN_THOUGHT = re.compile(r"<(think|thinking|reasoning|thought)>", re.I)


def spoken(reply: str) -> str:
    """The reply without what the LLM only thought, letters of other widths made plain.

    Raises:
        ReplyError: It thought, and never came to an answer.
    """
    text = unicodedata.normalize("NFKC", reply).translate(_DASHES)
    text = _THOUGHT.sub("", text)
    # Some templates open the thought themselves, so that only its end is in the reply.
    for tag in ("</think>", "</thinking>", "</reasoning>", "</thought>"):
        text = text.rpartition(tag)[2]
    if _OPEN_THOUGHT.search(text):
        raise ReplyError("it holds a thought and no answer after it.", reply)
    if not text.strip():
        raise ReplyError("it holds no answer.", reply)
    return text


def bracketed(reply: str) -> list[int]:
    """The numbers of the last brackets that hold numbers; empty where they say none (-1).

    Brackets earlier in the reply belong to the reasoning. Without any brackets a reply that is a
    number, or ends in a line as `Answer: 3`, is taken too.

    Raises:
        ReplyError: There is no such answer.
    """
    text = spoken(reply)
    for content in reversed(_GROUP.findall(text)):
        numbers = _numbers(content)
        if numbers is not None:
            return _checked(numbers, reply)
    if "[" not in text:
        last = _plain(text.strip().splitlines()[-1])
        match = _LAST_LINE.fullmatch(last)
        for candidate in (_plain(text), match[1] if match else ""):
            numbers = _numbers(candidate)
            if numbers is not None:
                return _checked(numbers, reply)
    raise ReplyError("it has no number in square brackets, such as [2].", reply)


def without_answer(reply: str) -> str:
    """The words of a reply that are not its answer: the reasons."""
    text = spoken(reply).strip()
    lines = text.splitlines()
    while lines and (not lines[-1].strip() or _numbers(_plain(lines[-1]).strip("[]")) is not None):
        lines.pop()
    text = "\n".join(lines).strip()
    tail = _TAIL.search(text)
    return text[: tail.start()].strip() if tail and _numbers(tail[1]) is not None else text


def _numbers(content: str) -> list[int] | None:
    """What stands between brackets as numbers; None where it is something else."""
    plain = content.strip().strip("'\"`*_").strip()
    if plain.lower().rstrip(".") in NOTHING:
        return [-1]
    parts = [part.strip().strip("'\"`*") for part in re.split(r"[,;]|\band\b|&", plain)]
    matches = [_NUMBER.fullmatch(part) for part in parts]
    if not plain or any(match is None for match in matches):
        return None
    return [int(match[1]) for match in matches if match is not None]


def _checked(numbers: list[int], reply: str) -> list[int]:
    unique = list(dict.fromkeys(numbers))
    if -1 not in unique:
        return unique
    if len(unique) > 1:
        raise ReplyError("it names a number and -1, which means none.", reply)
    return []


def _plain(text: str) -> str:
    """Without markdown and what ends a sentence."""
    return text.strip().strip("#*_`> ").rstrip(".!").strip("*_` ")
