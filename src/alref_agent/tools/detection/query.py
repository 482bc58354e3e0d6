"""What an expression says, as data: the things it names and what it says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Place = Literal["left", "right", "top", "bottom", "middle", "front", "back"]
Size = Literal["large", "largest", "small", "smallest"]


@dataclass(frozen=True)
class Phrase:
    """One thing that an expression names."""

    nouns: tuple[str, ...]
    """The noun compound in order, lower case; the last is its head: `("kite", "surfer")`."""
    text: str
    """The words that name it: `two people`."""
    count: int | None = None
    """How many it asks for; None: not said."""
    plural: bool = False
    """Whether it asks for more than one."""
    colours: tuple[str, ...] = ()
    """Its colours, `light` or `dark` before a name where said: `("light blue",)`."""
    places: tuple[Place, ...] = ()
    """Where in the frame it is."""
    size: Size | None = None
    ordinal: tuple[int, Place] | None = None
    """`(2, "left")`: the second from the left; -1 is the last."""
    moving: bool | None = None
    """True or False where the words say that it moves or rests."""
    related: tuple[str, ...] = ()
    """Nouns of things that it is said to be with, on, riding, holding and so on."""
    owned: bool = False
    """Named only as something of another thing's: `with his bicycle`."""

    @property
    def head(self) -> str:
        """The head noun: `surfer`."""
        return self.nouns[-1]

    @property
    def wanted(self) -> int:
        """How many objects to look for; a plural without a number is taken for two."""
        return self.count or (2 if self.plural else 1)


@dataclass(frozen=True)
class Query:
    """An expression, read."""

    phrases: tuple[Phrase, ...]
    """What it asks for, in order; empty where no noun was found."""
    problem: str = ""
    """Why there are no phrases."""

    @property
    def moving(self) -> bool | None:
        """Whether the things asked for move: as said of the first that anything is said of."""
        said = (phrase.moving for phrase in self.phrases if phrase.moving is not None)
        return next(said, None)
