"""Tokens -> noun phrases: the lower half of the shallow parser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from alref_agent.tools.detection import lexicon, vocabulary
from alref_agent.tools.detection.colour_words import COLOURS, SHADES, colour_name
from alref_agent.tools.detection.query import Phrase
from alref_agent.tools.detection.tokens import (
    ENDERS,
    is_mark,
    is_modifier,
    is_nounish,
    is_participle,
    motion_of,
    place_of,
    size_of,
)


@dataclass
class _Draft:
    """A noun phrase while it is read."""

    words: list[str] = field(default_factory=list)
    nouns: list[str] = field(default_factory=list)
    spare: str = ""
    """The last word before the nouns that could itself be a noun: `orange`, `male`, `one`."""
    shade: str = ""
    phrase: Phrase = field(default_factory=lambda: Phrase((), ""))

    def modify(self, word: str) -> None:
        """Take in a word that stands before the noun."""
        now = self.phrase
        if word in SHADES:
            self.shade = SHADES[word]
            return
        if word in COLOURS:
            self.spare = word if vocabulary.known(word) else "one"
            name = colour_name(word, self.shade)
            self.shade = ""
            self.phrase = replace(now, colours=(*now.colours, name))
        elif word.isdigit() or word in lexicon.NUMBERS:
            count = int(word) if word.isdigit() else lexicon.NUMBERS[word]
            # `the couple` names people; other numbers stand for a noun not said.
            self.spare = word if vocabulary.known(word) else "one"
            self.phrase = replace(now, count=max(1, min(count, 99)), plural=count > 1)
        elif word in lexicon.ORDINALS:
            self.spare = "one"
            self.phrase = replace(now, ordinal=(lexicon.ORDINALS[word], "left"))
        elif word in lexicon.QUANTIFIERS:
            self.phrase = replace(now, plural=now.plural or word in lexicon.MANY)
        elif (place := place_of(word)) is not None:
            self.spare = "one"
            self.phrase = replace(now, places=(*now.places, place))
        elif (size := size_of(word)) is not None:
            self.spare = "one"
            self.phrase = replace(now, size=size)
        elif is_participle(word):
            moving = motion_of(word)
            self.phrase = replace(now, moving=now.moving if moving is None else moving)
        elif vocabulary.known(word) is not None:
            self.spare = word

    def done(self) -> Phrase | None:
        """The phrase; without a noun, None."""
        if not self.nouns and not self.spare:
            return None
        nouns = self.nouns or [self.spare]
        colours = self.phrase.colours
        if not self.nouns and self.spare in COLOURS:
            colours = colours[:-1]
        elif self.shade and not colours:
            colours = (self.shade,)
        plural = self.phrase.plural or (bool(self.nouns) and lexicon.is_plural(nouns[-1]))
        if self.phrase.count == 1:
            plural = False
        # `the first three dogs` are not the first dog.
        ordinal = None if plural else self.phrase.ordinal
        return replace(
            self.phrase,
            ordinal=ordinal,
            nouns=tuple(nouns),
            text=" ".join(self.words),
            colours=colours,
            plural=plural,
        )


def noun_phrase(words: Sequence[str], start: int) -> tuple[Phrase | None, int]:
    """The noun phrase that begins at a token, without what comes after its head.

    Args:
        words: Tokens of the expression.
        start: Index of the first token of the phrase.

    Returns:
        The phrase, or None where there is no noun; the index after the last token read.
    """
    draft = _Draft()
    i = start
    owned = False
    while i < len(words):
        word = words[i]
        following = words[i + 1] if i + 1 < len(words) else ""
        if word == "'s" and draft.nouns and _possessive(following):
            # `the man's bike`: what came before is only the owner.
            draft = _Draft(words=[])
        elif word in lexicon.DETERMINERS:
            if draft.nouns:
                break
            owned = word in lexicon.POSSESSIVES
        elif word in lexicon.CONJUNCTIONS or word == ",":
            # `black and white dog`; between nouns it begins another phrase.
            listing = draft.words and not draft.nouns and is_modifier(following)
            if not listing:
                break
        elif is_mark(word) or word in ENDERS:
            break
        elif is_participle(word):
            if draft.nouns and not _inside(draft.nouns[-1], following):
                break
            if draft.nouns:
                # `kite surfing man`: a man still.
                draft.words.append(word)
            else:
                draft.modify(word)
                draft.words.append(word)
        elif is_modifier(word) and not (draft.nouns and vocabulary.known(word)):
            if draft.nouns:
                break
            draft.modify(word)
            draft.words.append(word)
        elif draft.nouns and _verb(draft.nouns[-1], word, following):
            break
        else:
            draft.nouns.append(word)
            draft.words.append(word)
        i += 1
    phrase = draft.done()
    if phrase is None:
        return None, i
    return replace(phrase, owned=owned), i


def _possessive(following: str) -> bool:
    return bool(following) and (is_nounish(following) or is_modifier(following))


def _inside(noun: str, following: str) -> bool:
    """Whether a participle after a noun goes on with its compound (`kite surfing man`)."""
    return bool(following) and is_nounish(following) and not vocabulary.is_agent(noun)


def _verb(noun: str, word: str, following: str) -> bool:
    """Whether a word after a noun is a finite verb: `the dog runs`, `a man watches the game`."""
    if word in lexicon.VERBS or word in lexicon.MOVING:
        return vocabulary.known(word) is None
    return vocabulary.is_agent(noun) and word.endswith("s") and following in lexicon.DETERMINERS
