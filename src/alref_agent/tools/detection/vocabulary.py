"""Nouns -> COCO classes: exact names, synonyms, kinds, and what a sentence embedding finds near."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from alref_agent.tools.detection import coco
from alref_agent.tools.detection.lexicon import singular
from alref_agent.tools.detection.synonyms import (
    ANCHORS,
    KIND_OF,
    NO_CLASS,
    PERSON_ENDINGS,
    SYNONYMS,
    Kind,
)

How = Literal["exact", "synonym", "kind", "embedding"]

SYNONYM_CONFIDENCE = 0.9
KIND_CONFIDENCE = 0.6
ANY_CONFIDENCE = 0.3
"""For words such as `object`, which any class fits."""

Similarities = Callable[[str, Sequence[str]], Sequence[float]]
"""A noun and the known nouns -> its cosine similarity to each of them."""


@dataclass(frozen=True)
class Sense:
    """What a noun is taken for."""

    label: str
    """The class name, or the name of the kind."""
    weights: Mapping[str, float]
    """Class name -> factor on that class's scores, in (0, 1]."""
    confidence: float
    """How sure it is that the noun means the label, in [0, 1]."""
    how: How
    via: str = ""
    """For embeddings: the known noun that is nearest."""


@dataclass(frozen=True)
class Near:
    """What an embedding finds near a noun."""

    sense: Sense | None
    """None: nothing is near enough."""
    anchor: str
    """The known noun that is nearest."""
    similarity: float
    """Their cosine similarity, in [0, 1]."""
    rather: str = ""
    """A noun that is none of the classes and nearer still, where there is one."""


def known(noun: str) -> Sense | None:
    """The sense of a noun by the tables alone; multiword nouns are joined by blanks.

    Args:
        noun: Lower case, singular or plural.
    """
    for form in dict.fromkeys((noun, _singular(noun), _singular(noun).replace(" ", ""))):
        if form in coco.IDS:
            return Sense(form, {form: 1.0}, 1.0, "exact")
        if form in SYNONYMS:
            return _synonym(SYNONYMS[form])
        if form in KIND_OF:
            return _kind(KIND_OF[form])
    return None


def sense(nouns: Sequence[str]) -> Sense | None:
    """The sense of a noun compound: of its longest known ending, for its head is its last noun.

    Args:
        nouns: The compound's words in order, lower case.

    Returns:
        None where no table knows the last noun.
    """
    for start in range(len(nouns)):
        found = known(" ".join(nouns[start:]))
        if found is not None:
            return found
    if nouns and _is_person(nouns[-1]):
        return _synonym("person")
    return None


def near(noun: str, similarities: Similarities, threshold: float) -> Near:
    """The sense of a noun that no table knows, by embedding.

    The nouns compared with are the known ones and some that are none of the classes (`wall`): a
    noun that is nearer to those means none of the classes either.

    Args:
        noun: Lower case, singular or plural.
        similarities: Gives the cosine similarity of a noun to each of the known ones.
        threshold: The least similarity.
    """
    word = _singular(noun)
    known_nouns = tuple(anchor for anchor in ANCHORS if not _same_stem(word, anchor))
    values = similarities(word, (*ANCHORS, *NO_CLASS))
    by_noun = dict(zip((*ANCHORS, *NO_CLASS), values, strict=True))
    anchor = max(known_nouns, key=lambda name: by_noun[name])
    similarity = max(0.0, min(1.0, by_noun[anchor]))
    other = max(NO_CLASS, key=lambda name: by_noun[name])
    rather = other if by_noun[other] >= max(similarity, threshold) else ""
    found = known(anchor) if similarity >= threshold and not rather else None
    if found is not None:
        # A near word of a kind is no surer than the kind.
        confidence = min(similarity, found.confidence)
        found = Sense(found.label, found.weights, confidence, "embedding", anchor)
    return Near(found, anchor, similarity, rather)


def _same_stem(noun: str, anchor: str) -> bool:
    """Whether two nouns are near by spelling only: `sky` and `skydiver`, `carpet` and `car`."""
    return noun != anchor and (anchor.startswith(noun) or noun.startswith(anchor))


def is_agent(noun: str) -> bool:
    """Whether the noun is a person or an animal: one that acts."""
    found = known(noun)
    if found is None:
        return _is_person(noun)
    return found.label == "person" or set(found.weights) <= set(coco.ANIMALS)


def compounds() -> frozenset[tuple[str, ...]]:
    """All known nouns of several words, as tuples of words."""
    nouns = (*coco.IDS, *SYNONYMS, *KIND_OF)
    return frozenset(tuple(noun.split()) for noun in nouns if " " in noun)


def _singular(noun: str) -> str:
    first, blank, last = noun.rpartition(" ")
    return first + blank + singular(last)


def _synonym(name: str) -> Sense:
    return Sense(name, {name: 1.0}, SYNONYM_CONFIDENCE, "synonym")


def _kind(kind: Kind) -> Sense:
    confidence = ANY_CONFIDENCE if kind.label == "object" else KIND_CONFIDENCE
    return Sense(kind.label, kind.weights, confidence, "kind")


def _is_person(noun: str) -> bool:
    return singular(noun).endswith(tuple(PERSON_ENDINGS))
