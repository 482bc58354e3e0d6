"""How long work tells how far it is: one method, so that any front end can listen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Listens to stages of work."""

    def track(self, items: Iterable[T], stage: str, total: int) -> Iterator[T]:
        """Pass `items` on, one by one; `total` says how many are expected."""
        ...


class Silent:
    """Listens to nothing."""

    def track(self, items: Iterable[T], stage: str, total: int) -> Iterator[T]:
        """Pass `items` on."""
        yield from items
