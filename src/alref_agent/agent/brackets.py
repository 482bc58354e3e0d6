"""Answers in square brackets: the number, or numbers, that a reply ends in."""

from __future__ import annotations

import re
import unicodedata

from alref_agent.errors import ReplyError

NOTHING = ("none", "null", "nothing", "no", "no box", "no frame", "no target", "n/a")
"""What stands for -1."""
_DASHES = str.maketrans("\u2212\u2012\u2013", "---")
"""Minus signs as typesetters have them."""
_GROUP = re.compile(r"\[([^\[\]]+)\]")
_NUMBER = re.compile(r"(?:(?:frame|box|number|no\.?|#)\s*(?::\s*)?)?([+-]?\d{1,6})(?:\.0+)?", re.I)
_BETWEEN = re.compile(r"[,;&]|\band\b")
_LAST_LINE = re.compile(
    r"(?:the\s+)?(?:final\s+)?(?:answer|frame|box|number)\s*(?:is|:|=)\s*(.+?)", re.I
)
_TAG = re.compile(r"<(/?)(think|thinking|reasoning|thought)>", re.I)
_JSON = re.compile(r"\{\s*[\"']")
"""Where an object begins, in JSON or as Python writes it."""


def spoken(reply: str) -> str:
    """The reply without what the LLM only thought, letters of other widths made plain.

    Raises:
        ReplyError: It thought, and never came to an answer.
    """
    text = _without_thoughts(_narrow(reply).translate(_DASHES))
    # Some templates open the thought themselves, so that only its end is in the reply.
    for tag in ("</think>", "</thinking>", "</reasoning>", "</thought>"):
        text = text.rpartition(tag)[2]
    if any(not tag[1] for tag in _TAG.finditer(text)):
        raise ReplyError("it holds a thought and no answer after it.", reply)
    if not text.strip():
        raise ReplyError("it holds no answer.", reply)
    return text


def bracketed(reply: str) -> list[int]:
    """The numbers of the last brackets that hold numbers; empty where they say none (-1).

    Brackets earlier in the reply belong to the reasoning, and brackets in JSON to the JSON: all
    from the first brace before a key (`{"`) to the last brace is passed over. Without any brackets
    a reply that is a number, or ends in a line as `Answer: 3`, is taken too.

    Raises:
        ReplyError: There is no such answer.
    """
    before, after = _around_json(spoken(reply))
    text = f"{before}\n{after}".strip()
    numbers = _last_numbers(text)
    if numbers is not None:
        return _checked(numbers, reply)
    if text and "[" not in text:
        last = _plain(text.splitlines()[-1])
        match = _LAST_LINE.fullmatch(last)
        for candidate in (_plain(text), match[1] if match else ""):
            numbers = _numbers(candidate)
            if numbers is not None:
                return _checked(numbers, reply)
    raise ReplyError("it has no number in square brackets, such as [2].", reply)


def ends_in_brackets(reply: str) -> bool:
    """Whether brackets that hold numbers come after all JSON, and so have the last word."""
    return _last_numbers(_around_json(spoken(reply))[1]) is not None


def without_answer(reply: str) -> str:
    """The words of a reply that are not its answer: the reasons."""
    text = spoken(reply).strip()
    lines = text.splitlines()
    while lines and (not lines[-1].strip() or _numbers(_plain(lines[-1]).strip("[]")) is not None):
        lines.pop()
    text = "\n".join(lines).strip()
    end = text.rstrip("*_`.")
    start = end.rfind("[")
    if start < 0 or not end.endswith("]") or _numbers(end[start + 1 : -1]) is None:
        return text
    return end[:start].rstrip("*_`").strip()


def _narrow(text: str) -> str:
    """Each character in its plain form, but for a few that stand for whole sentences.

    One by one: to normalize all at once takes minutes where many accents follow each other.
    """
    plain = {c: unicodedata.normalize("NFKC", c) for c in set(text) if not c.isascii()}
    return text.translate({ord(c): form for c, form in plain.items() if len(form) <= 4})


def _without_thoughts(text: str) -> str:
    """Without what stands between a thought's tags; a tag that is never closed stays."""
    tags = [(tag.start(), tag.end(), tag[1], tag[2].lower()) for tag in _TAG.finditer(text)]
    last_closed = {name: start for start, _, closing, name in tags if closing}
    kept: list[str] = []
    kept_to, thought = 0, ""
    for start, end, closing, name in tags:
        if thought:
            if closing and name == thought:
                kept_to, thought = end, ""
        elif not closing and start < last_closed.get(name, -1):
            kept.append(text[kept_to:start])
            thought = name
    return "".join([*kept, text[kept_to:]])


def _around_json(text: str) -> tuple[str, str]:
    """What comes before the first object and after the last brace; ("", text) without JSON."""
    opened = _JSON.search(text)
    if opened is None:
        return "", text
    closed = text.rfind("}")
    return text[: opened.start()], text[closed + 1 :] if closed > opened.start() else ""


def _last_numbers(text: str) -> list[int] | None:
    """The numbers of the last brackets that hold numbers; None where there are none."""
    each = (_numbers(content) for content in reversed(_GROUP.findall(text)))
    return next((numbers for numbers in each if numbers is not None), None)


def _numbers(content: str) -> list[int] | None:
    """What stands between brackets as numbers; None where it is something else."""
    plain = content.strip().strip("'\"`*_").strip()
    if plain.lower().rstrip(".") in NOTHING:
        return [-1]
    numbers = []
    for part in _BETWEEN.split(plain):
        match = _NUMBER.fullmatch(part.strip().strip("'\"`*"))
        if match is None:
            return None
        numbers.append(int(match[1]))
    return numbers


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
