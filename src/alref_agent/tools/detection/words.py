"""Expression -> `Query`: a shallow parser for English sentences that name things.

It knows closed lists of words and no grammar beyond them: the words up to the first preposition,
participle, relative word or verb are the noun phrase that the expression is about, and its last
noun is the head. What follows only tells the thing apart from others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from alref_agent.tools.detection import lexicon, vocabulary
from alref_agent.tools.detection.phrases import noun_phrase
from alref_agent.tools.detection.query import Phrase, Place, Query
from alref_agent.tools.detection.remarks import colours_at, dress_at, place_at, word_at
from alref_agent.tools.detection.tokens import (
    is_mark,
    is_nounish,
    is_participle,
    motion_of,
    size_of,
    tokens,
)

MAX_PHRASES = 6
"""Things that one expression may ask for; a longer list is no sentence."""

NO_WORDS = "no word in it can be read: only English words are understood"
NO_NOUN = "it names no thing: no noun was found"


def parse(expression: str) -> Query:
    """Read an expression.

    Args:
        expression: Any text; only the first 200 words of it are read.

    Returns:
        A query; without phrases where nothing is named, and then with the problem.
    """
    words = tokens(expression)
    if not any(word[0].isalpha() for word in words):
        return Query((), NO_WORDS)
    phrases = _Parser(words).phrases()
    return Query(phrases) if phrases else Query((), NO_NOUN)


class _Parser:
    """Reads tokens from left to right; `_now` is the thing that the latest words are about."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._done: list[Phrase] = []
        self._begin(Phrase(("",), ""))

    def _begin(self, phrase: Phrase) -> None:
        self._now = phrase
        self._other: Phrase | None = None  # the last thing that is only mentioned
        self._fresh = True  # nothing has been said since the head
        self._verb = False  # its first verb has been read
        self._negated = False

    def phrases(self) -> tuple[Phrase, ...]:
        i, places = self._opening()
        unsaid = is_participle(word_at(self._words, i))
        first, i = self._thing(i)
        if first is None and unsaid:
            # `jumping over the fence`: something does.
            first = Phrase(("something",), self._words[i - 1], moving=motion_of(self._words[i - 1]))
        while first is None and i < len(self._words):
            first, i = self._thing(i + 1)
        if first is None:
            return ()
        self._begin(replace(first, places=(*first.places, *places), owned=False))
        while i < len(self._words) and len(self._done) < MAX_PHRASES:
            i = self._step(i)
        return self._tied([*self._done, self._now][:MAX_PHRASES])

    def _tied(self, phrases: list[Phrase]) -> tuple[Phrase, ...]:
        """Relate the things asked for to one another where the words say that they touch.

        `his` and `its` do, and verbs such as `ride`; `the man and the dog` may be apart.
        """
        together = any(word in lexicon.RIDING for word in self._words)
        tied = list(phrases)
        for i, phrase in enumerate(phrases):
            for other in phrases:
                if other is not phrase and (together or phrase.owned or other.owned):
                    tied[i] = _relate(tied[i], other)
        return tuple(tied)

    def _opening(self) -> tuple[int, tuple[Place, ...]]:
        """Skip what comes before the first thing: `please find …`, `in the background, …`."""
        if self._words[0] in ("who", "whoever"):
            # `who is riding the bike?` asks for a person.
            self._words = ["someone", *self._words[1:]]
        i = 0
        places: tuple[Place, ...] = ()
        while i < len(self._words):
            word = self._words[i]
            if word in lexicon.PREPOSITIONS:
                place, after = place_at(self._words, i)
                phrase, end = noun_phrase(self._words, i + 1)
                if place is not None:
                    places, i = (*places, place), after
                else:
                    video = phrase is not None and phrase.head in lexicon.FRAME_WORDS
                    i = end if video else i + 1
            elif word in _OPENERS or is_mark(word):
                i += 1
            else:
                break
        return i, places

    def _thing(self, i: int) -> tuple[Phrase | None, int]:
        """A noun phrase, seen through `a pair of …`, `the smallest of …`, `the video of …`."""
        phrase, after = noun_phrase(self._words, i)
        if word_at(self._words, after) != "of":
            return phrase, after
        through = lexicon.singular(phrase.head if phrase else word_at(self._words, after - 1))
        if through not in lexicon.COLLECTIVES | lexicon.FRAME_WORDS:
            return phrase, after
        inner, end = self._thing(after + 1)
        if inner is None:
            return phrase, after
        outer = phrase or Phrase((through,), "")
        one = outer.size is not None or outer.ordinal is not None
        count = outer.count or lexicon.NUMBERS.get(through) or (1 if one else inner.count)
        seen = replace(
            inner,
            count=count,
            plural=inner.plural if count is None else count > 1,
            text=" ".join(self._words[i:end]),
            colours=(*outer.colours, *inner.colours),
            places=(*outer.places, *inner.places),
            size=outer.size or inner.size,
            ordinal=outer.ordinal or inner.ordinal,
        )
        return seen, end

    def _step(self, i: int) -> int:
        """Read what comes next of what is said; the index after it."""
        word = self._words[i]
        if linked := self._link(i):
            return self._join(i, linked)
        if word in ".;!?":
            # What another sentence says may be about anything.
            return i + 1 if self._fresh else len(self._words)
        if word == ",":
            return i + 1
        fresh, self._fresh = self._fresh, False
        if word in lexicon.NEGATIONS:
            self._negated = True
            return i + 1
        place, after = place_at(self._words, i)
        if place is not None:
            self._place(place, word)
            return after
        for colours, after in (self._dressed(i), self._coloured(i)):
            if after > i:
                # `next to the woman in red`: that is not what the head wears.
                if not self._negated and not self._other_person():
                    self._now = replace(self._now, colours=(*self._now.colours, *colours))
                self._negated = False
                return after
        before = word_at(self._words, i - 1)
        does = word in lexicon.MOVE and before in _BEFORE_VERBS
        if does or is_participle(word) or word in lexicon.MOVING or word in lexicon.VERBS:
            self._act(word)
            return i + 1
        if (size := size_of(word)) and before in _BEFORE_SIZES:
            self._now = replace(self._now, size=self._now.size or size)
        if is_nounish(word) or word in lexicon.DETERMINERS:
            phrase, after = self._thing(i)
            if phrase is not None and after > i:
                if fresh and self._named(phrase):
                    self._begin(phrase)
                else:
                    self._mention(phrase)
                return after
        # Adverbs and the like say nothing: `the dog too and the cat`.
        self._fresh = fresh and word in lexicon.ADVERBS
        return i + 1

    def _link(self, i: int) -> int:
        """How many tokens join another thing here: 1 for `and`, 3 for `as well as`, else 0."""
        word, after = self._words[i], word_at(self._words, i + 1)
        if word in lexicon.CONJUNCTIONS:
            return 1
        if word in (",", ".", ";") and (self._fresh or after in lexicon.CONJUNCTIONS):
            return 1 + (after in lexicon.CONJUNCTIONS)
        if word == "as" and after == "well":
            return 3
        if word in ("together", "along") and after == "with":
            return 2
        return 1 if word == "with" and after in lexicon.POSSESSIVES and self._belongs(i) else 0

    def _belongs(self, i: int) -> bool:
        """Whether `with his X` names an object, and not clothes or a part of the body."""
        phrase, _ = noun_phrase(self._words, i + 1)
        return phrase is not None and vocabulary.sense(phrase.nouns) is not None

    def _join(self, i: int, linked: int) -> int:
        """Read what follows `and`: another thing asked for, or one more that is mentioned."""
        start = i + linked
        phrase, after = self._thing(start)
        following = word_at(self._words, start)
        if phrase is None or is_participle(following) or following in lexicon.VERBS:
            return start
        if {phrase.head, lexicon.singular(phrase.head)} & lexicon.CLOTHES:
            # `a red shirt and blue jeans`
            return after
        if phrase.head == "one" and self._now.head != "one":
            # `two cows, one black and one white`
            return after
        owned = phrase.owned and self._words[i] == "with"
        if self._fresh or owned or self._parallel(phrase):
            self._done.append(self._now)
            self._begin(phrase)
        else:
            self._mention(phrase)
        return after

    def _parallel(self, new: Phrase) -> bool:
        """Whether the thing after `and` stands beside the head, not beside what was mentioned."""
        if self._other is None:
            return True
        head, other, third = (vocabulary.is_agent(p.head) for p in (self._now, self._other, new))
        return head and third and not other

    def _named(self, phrase: Phrase) -> bool:
        """Whether a thing after an unknown one says what that is: `Libby the dog`."""
        unknown = vocabulary.sense(self._now.nouns) is None
        return unknown and vocabulary.sense(phrase.nouns) is not None

    def _other_person(self) -> bool:
        found = vocabulary.known(self._other.head) if self._other is not None else None
        return found is not None and found.label == "person"

    def _mention(self, phrase: Phrase) -> None:
        self._other = phrase
        self._now = _relate(self._now, phrase)

    def _place(self, place: Place, word: str) -> None:
        """Note a place that begins with this word, unless it is the direction of a movement."""
        now = self._now
        if now.ordinal is not None and word in ("from", "to"):
            # `second from left to right` counts from the left.
            side = place if word == "from" else now.ordinal[1]
            self._now = replace(now, ordinal=(now.ordinal[0], side))
            return
        aimed = self._verb and now.moving is not False and word not in ("on", "at", "in")
        if not aimed and word not in ("towards", "toward", "from"):
            self._now = replace(now, places=(*now.places, place))

    def _dressed(self, i: int) -> tuple[tuple[str, ...], int]:
        """Colours in `in red` and `wearing a blue shirt`."""
        wears = self._words[i] in lexicon.WEARING or self._words[i] in ("in", "with")
        return dress_at(self._words, i) if wears else ((), i)

    def _coloured(self, i: int) -> tuple[tuple[str, ...], int]:
        """Colours in `that is red`."""
        is_said = word_at(self._words, i - 1) in lexicon.AUXILIARIES | {"'s", "not"}
        return colours_at(self._words, i) if is_said and not self._verb else ((), i)

    def _act(self, word: str) -> None:
        """Note whether the first verb after the head is one of motion or of rest."""
        moving = motion_of(word)
        if not self._verb and self._now.moving is None and moving is not None:
            self._now = replace(self._now, moving=moving != self._negated)
        self._verb, self._negated = True, False


_OPENERS = (
    lexicon.REQUESTS
    | lexicon.PRONOUNS
    | lexicon.AUXILIARIES
    | lexicon.RELATIVES
    | lexicon.ADVERBS
    | lexicon.CONJUNCTIONS
    | {"'s"}
) - {"that"}
_BEFORE_VERBS = (
    lexicon.AUXILIARIES | lexicon.NEGATIONS | lexicon.PRONOUNS | lexicon.RELATIVES | {"to"}
)
_BEFORE_SIZES = lexicon.AUXILIARIES | {"the"}


def _relate(phrase: Phrase, other: Phrase) -> Phrase:
    if other.head in lexicon.FRAME_WORDS:
        return phrase
    return replace(phrase, related=(*phrase.related, other.head))
