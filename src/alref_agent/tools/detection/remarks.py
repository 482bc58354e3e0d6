"""What is said of a thing after its noun: where it is, what colours it wears."""

from __future__ import annotations

from collections.abc import Sequence

from alref_agent.tools.detection import lexicon
from alref_agent.tools.detection.colour_words import COLOURS, SHADES, colour_name
from alref_agent.tools.detection.phrases import noun_phrase
from alref_agent.tools.detection.query import Place
from alref_agent.tools.detection.tokens import is_mark, is_nounish, place_of


def word_at(words: Sequence[str], i: int) -> str:
    """The token at an index; nothing beyond either end."""
    return words[i] if 0 <= i < len(words) else ""


def place_at(words: Sequence[str], i: int) -> tuple[Place | None, int]:
    """`on the far left side of the frame` -> left; relations to other things give None.

    Args:
        words: Tokens of the expression.
        i: Index of the preposition, or of the place itself.

    Returns:
        The place, or None; the index after it.
    """
    j = i
    if word_at(words, j) in ("on", "at", "in", "to", "from", "near", "towards", "toward"):
        j += 1
    if word_at(words, j) in ("the", "its", "his", "her"):
        j += 1
    while word_at(words, j) in ("far", "very", "extreme"):
        j += 1
    found = place_of(word_at(words, j))
    if found is None:
        alone = word_at(words, i) in ("behind", "in") and word_at(words, i + 1) == "back"
        behind = word_at(words, i) == "behind" and (
            i + 1 >= len(words) or is_mark(word_at(words, i + 1))
        )
        if alone or behind:
            return "back", i + 2 if alone else i + 1
        return None, i
    j += 1
    while word_at(words, j) in lexicon.PARTS or place_of(word_at(words, j)) is not None:
        j += 1
    if word_at(words, j) in ("of", "to"):
        phrase, after = noun_phrase(words, j + 1)
        if phrase is not None and phrase.head in lexicon.FRAME_WORDS:
            return found, after
        if word_at(words, j) == "of":
            return None, i
    elif is_nounish(word_at(words, j)):
        # `on the left bank`: said of the bank.
        return None, i
    return found, j


def dress_at(words: Sequence[str], i: int) -> tuple[tuple[str, ...], int]:
    """Colours of what is worn: `in red`, `wearing a blue shirt`.

    Args:
        words: Tokens of the expression.
        i: Index of the preposition or verb.

    Returns:
        Their names, none where nothing is worn; the index after them, `i` where nothing was read.
    """
    j = i + 1
    if word_at(words, i) in lexicon.WEARING and word_at(words, j) == "in":
        j += 1
    colours, after = colours_at(words, j)
    if colours:
        return colours, after
    phrase, after = noun_phrase(words, j)
    if phrase is None:
        return (), i
    worn = lexicon.singular(phrase.head) in lexicon.CLOTHES or phrase.head in lexicon.CLOTHES
    if worn or phrase.head in lexicon.COATS:
        return phrase.colours, after
    return (), i


def colours_at(words: Sequence[str], start: int) -> tuple[tuple[str, ...], int]:
    """Colours that stand alone, as in `dressed in black and white`.

    Returns:
        Their names, none where a noun follows; the index after them.
    """
    names: list[str] = []
    shade = ""
    i = start
    while i < len(words):
        word = words[i]
        if word in SHADES:
            shade = SHADES[word]
        elif word in COLOURS:
            names.append(colour_name(word, shade))
            shade = ""
        elif not (
            names
            and (word in lexicon.CONJUNCTIONS or word == ",")
            and i + 1 < len(words)
            and (words[i + 1] in COLOURS or words[i + 1] in SHADES)
        ):
            break
        i += 1
    if shade and not names:
        names.append(shade)
    if i < len(words) and is_nounish(words[i]):
        return (), start
    return tuple(names), i
