"""Text -> tokens, and which part of a sentence a token can be."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from alref_agent.tools.detection import lexicon, vocabulary
from alref_agent.tools.detection.colour_words import COLOURS, SHADES
from alref_agent.tools.detection.query import Place, Size

MAX_WORDS = 200
"""Words read of an expression: no sentence that names things is longer."""

_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|\d{1,6}(?:st|nd|rd|th)?\b|[,;:.!?&]")
_COMPOUNDS = vocabulary.compounds()
_LONGEST = max(len(words) for words in _COMPOUNDS)

_PLACES: Sequence[tuple[frozenset[str], Place]] = (
    (lexicon.LEFT, "left"),
    (lexicon.RIGHT, "right"),
    (lexicon.TOP, "top"),
    (lexicon.BOTTOM, "bottom"),
    (lexicon.MIDDLE, "middle"),
    (lexicon.FRONT, "front"),
    (lexicon.BACK, "back"),
)
ENDERS = (
    lexicon.PREPOSITIONS
    | lexicon.RELATIVES
    | lexicon.PRONOUNS
    | lexicon.AUXILIARIES
    | lexicon.NEGATIONS
    | lexicon.ADVERBS
    | {"'s"}
)
"""Words that end a noun phrase."""


def tokens(text: str) -> list[str]:
    """Lower-case English words, numbers and marks; known compounds (`hot dog`) are one token."""
    # The cut comes first, so that a book pasted by mistake costs nothing.
    plain = unicodedata.normalize("NFKD", text[: 40 * MAX_WORDS]).lower().replace("\u2019", "'")
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    plain = re.sub(r"\bt-?\s?shirts?\b", "tshirt", plain)
    plain = re.sub(r"\b(left|right|top|bottom)[ -]most\b", r"\1most", plain)
    words: list[str] = []
    for word in _TOKEN.findall(plain):
        stem, mark, ending = word.partition("'")
        if mark and ending == "s":
            words += [stem, "'s"]
        elif mark and stem.endswith("n") and ending == "t":
            words += [stem[:-1] or stem, "not"]
        else:
            words.append(stem)
    return _joined(words[:MAX_WORDS])


def _joined(words: list[str]) -> list[str]:
    """Known compounds as one token, the longest first."""
    out: list[str] = []
    i = 0
    while i < len(words):
        for size in range(min(_LONGEST, len(words) - i), 1, -1):
            parts = words[i : i + size]
            if (*parts[:-1], lexicon.singular(parts[-1])) in _COMPOUNDS or tuple(
                parts
            ) in _COMPOUNDS:
                out.append(" ".join(parts))
                i += size
                break
        else:
            out.append(words[i])
            i += 1
    return out


def place_of(word: str) -> Place | None:
    """The place that a word names by itself: `leftmost` -> left."""
    return next((place for words, place in _PLACES if word in words), None)


def size_of(word: str) -> Size | None:
    """The size that a word names: `biggest` -> largest."""
    superlative = word.endswith("est")
    if word in lexicon.LARGE:
        return "largest" if superlative else "large"
    if word in lexicon.SMALL:
        return "smallest" if superlative else "small"
    return None


def is_participle(word: str) -> bool:
    """Whether a word is (by its ending) a present or past participle."""
    if word in lexicon.NOT_PARTICIPLES or " " in word:
        return False
    if word in lexicon.MOVING or word in lexicon.STATIC:
        return True
    return len(word) > 4 and word.endswith(("ing", "ed")) and vocabulary.known(word) is None


def is_mark(word: str) -> bool:
    """Whether a token is punctuation, or none at all: both end what comes before."""
    return not word[:1].isalnum() and word != "'s" and word != "&"


def is_nounish(word: str) -> bool:
    """Whether a token can only be (part of) a noun, by exclusion."""
    return not (
        is_mark(word)
        or word in ENDERS
        or word in lexicon.CONJUNCTIONS
        or word in lexicon.DETERMINERS
        or is_participle(word)
        or is_modifier(word)
    )


def is_modifier(word: str) -> bool:
    """Whether a token can stand before a noun without being one."""
    return (
        word in lexicon.QUANTIFIERS
        or word in lexicon.ADJECTIVES
        or word in lexicon.NUMBERS
        or word in lexicon.ORDINALS
        or word.isdigit()
        or word in COLOURS
        or word in SHADES
        or place_of(word) is not None
        or size_of(word) is not None
    )


def motion_of(word: str) -> bool | None:
    """Whether a verb says that something moves (True) or rests (False)."""
    if word in lexicon.MOVING or word in lexicon.MOVE:
        return True
    return False if word in lexicon.STATIC else None
