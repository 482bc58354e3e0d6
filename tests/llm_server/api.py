"""What an API has to be for the HTTP part, and what is sent by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from llm_server.faults import ProblemError
from llm_server.seen import Dressed, Seen


@dataclass
class Outgoing:
    """A reply of HTTP."""

    pieces: list[bytes]
    """The body; in pieces where it is streamed."""
    status: int = 200
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    streamed: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


class Api(Protocol):
    prefix: str
    """What the server's URL ends in."""
    chat: str
    """Where chats are posted to."""
    models: tuple[str, ...] | None
    """The models that exist; None: any."""
    blind: bool
    """Whether the models see no pictures."""

    def __init__(self, models: Sequence[str] | None, blind: bool) -> None: ...

    def get(self, path: str, body: Mapping[str, Any]) -> Outgoing | None:
        """The answer to a request that is no chat; None: there is nothing there."""
        ...

    def read(self, body: Mapping[str, Any], key: str, number: int) -> Seen:
        """Check a chat as strictly as the real server.

        Raises:
            ProblemError: The real server would refuse it.
        """
        ...

    def reply(self, seen: Seen, dressed: Dressed) -> Outgoing: ...

    def problem(self, problem: ProblemError) -> Outgoing: ...
