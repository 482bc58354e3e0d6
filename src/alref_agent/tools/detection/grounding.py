"""Expression -> what a detector of COCO's classes should look for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from alref_agent.tools.detection import vocabulary, words
from alref_agent.tools.detection.query import Phrase, Query
from alref_agent.tools.detection.vocabulary import Sense, Similarities
from alref_agent.types import Grounding, Target

TEXT_THRESHOLD = 0.5
"""The least cosine similarity at which a noun is taken for its nearest one: at 0.4, `parkour` was
a parking meter."""

_HOW = {"exact": "its name", "synonym": "synonym", "kind": "nearest kind"}


@dataclass(frozen=True)
class Ask:
    """One target of an expression, as the detector needs it."""

    target: Target
    sense: Sense
    phrase: Phrase
    related: tuple[Sense, ...]
    """What the things that the phrase relates it to are taken for, where known."""


@dataclass(frozen=True)
class Meaning:
    """An expression, understood."""

    query: Query
    asks: tuple[Ask, ...]
    grounding: Grounding
    """The targets of the asks, in order, and the reason."""


class Reader:
    """Understands expressions; keeps what it has understood."""

    def __init__(
        self, similarities: Similarities | None = None, threshold: float = TEXT_THRESHOLD
    ) -> None:
        """Take the parts.

        Args:
            similarities: Compares a noun with the known ones; called only for nouns that no table
                knows. None: such nouns mean nothing.
            threshold: The least similarity at which a noun is taken for its nearest one.
        """
        self._similarities = similarities
        self._threshold = threshold
        self._known = lru_cache(maxsize=1024)(self._read)

    def read(self, expression: str) -> Meaning:
        """What the expression means; the same every time."""
        return self._known(expression)

    def _read(self, expression: str) -> Meaning:
        query = words.parse(expression)
        asks: list[Ask] = []
        said: list[str] = []
        for phrase in query.phrases:
            sense, how = self._sense(phrase)
            said.append(how)
            if sense is not None:
                target = Target(sense.label, phrase.text, sense.confidence, phrase.wanted)
                asks.append(Ask(target, sense, phrase, _related(phrase)))
                said[-1] += _used(phrase)
        reason = "; ".join(said) or query.problem
        reason = reason[0].upper() + reason[1:] + "."
        return Meaning(query, tuple(asks), Grounding(tuple(ask.target for ask in asks), reason))

    def _sense(self, phrase: Phrase) -> tuple[Sense | None, str]:
        """What a phrase is taken for, and how that is said."""
        sense = vocabulary.sense(phrase.nouns)
        name = phrase.head
        if sense is not None:
            return sense, f"{name!r} was taken for {sense.label} ({_HOW[sense.how]})"
        if self._similarities is None:
            return None, f"no class is known for {name!r}"
        near = vocabulary.near(name, self._similarities, self._threshold)
        measured = f"{near.anchor!r}, similarity {near.similarity:.2f}"
        if near.rather:
            measured += f"; but nearer to {near.rather!r}, which is none of its classes"
        if near.sense is None:
            return None, (f"{name!r} is near nothing that the detector knows (nearest: {measured})")
        return near.sense, (
            f"{name!r} was taken for {near.sense.label} (embedding: near {measured})"
        )


def _related(phrase: Phrase) -> tuple[Sense, ...]:
    """The senses of what a phrase is said to be with; `thing` says nothing."""
    found = (vocabulary.known(noun) for noun in dict.fromkeys(phrase.related))
    return tuple(sense for sense in found if sense is not None and sense.label != "object")


def _used(phrase: Phrase) -> str:
    """What else in the words the detector goes by."""
    uses = [*phrase.colours, *phrase.places]
    if phrase.size is not None:
        uses.append(phrase.size)
    if phrase.ordinal is not None:
        number, side = phrase.ordinal
        uses.append(f"number {number} from the {side}" if number > 0 else f"last from the {side}")
    if _related(phrase):
        uses.append("near " + " and ".join(sense.label for sense in _related(phrase)))
    return f", preferring: {', '.join(uses)}" if uses else ""
