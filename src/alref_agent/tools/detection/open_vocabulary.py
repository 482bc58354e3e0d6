"""Expression -> what a detector that reads sentences is asked, and what it is taken for."""

from __future__ import annotations

import re

import numpy as np

from alref_agent.tools.detection import lexicon, words
from alref_agent.types import Detections, Grounding, Target

_SPLITTING = re.compile(r"[.?\[\]<>|\x00-\x1f\x7f]")
"""What ends a phrase for GroundingDINO (`.` and `?`), or may spell a token that structures a text
for one of the tokenizers (`[SEP]`, `<|endoftext|>`)."""

NO_WORDS = "It has no words."


def caption(expression: str) -> str:
    """An expression as one phrase: lower case, no line breaks, nothing that splits it in two.

    Args:
        expression: Any text.

    Returns:
        The phrase, without the full stop at its end; empty where nothing in it is a letter.
    """
    phrase = " ".join(_SPLITTING.sub(" ", expression.lower()).split()).strip(" ,;:!")
    return phrase if any(letter.isalpha() for letter in phrase) else ""


def ground(expression: str, reason: str) -> Grounding:
    """The whole expression as one target.

    Args:
        expression: Any text.
        reason: One sentence: what is done with it.

    Returns:
        One target, or none with the reason where the expression has no words.
    """
    label = caption(expression)
    if not label:
        return Grounding((), NO_WORDS)
    return Grounding((Target(label, expression, 1.0, count(expression)),), reason)


def count(expression: str) -> int:
    """How many objects an expression asks for: `the two dogs` 2, `the man and his dog` 2.

    What is named only to tell which one is meant (`a man with his bicycle`, `a person in a shirt
    and a hat`) does not count: a sentence's main object stands first. A plural without a number is
    taken for two; so much is read of English only.
    """
    first, *others = words.parse(expression).phrases or (None,)
    if first is None:
        return 1
    text = caption(expression)
    end = text.find(first.text) + len(first.text)
    wanted = first.wanted
    for phrase in others:
        start = text.find(phrase.text, end)
        between = text[end:start].replace(",", " , ").split()
        joined = between and between[0] in {",", *lexicon.CONJUNCTIONS}
        if start < 0 or not joined or lexicon.PREPOSITIONS & set(between):
            break
        wanted += phrase.wanted
        end = start + len(phrase.text)
    return wanted


def nothing(frame_idx: int) -> Detections:
    """No candidates on a frame."""
    zero = np.zeros(0, np.float32)
    return Detections(frame_idx, zero.reshape(0, 4), zero, (), np.zeros(0, np.int32))
