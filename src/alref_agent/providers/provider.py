"""The interface of a provider: it sends one request once, and says what kind of failure it met."""

from __future__ import annotations

from typing import Protocol, Self

from alref_agent.config import Config
from alref_agent.providers.messages import Reply, Request


class Provider(Protocol):
    """Who answers; registered in `alref_agent.providers` under the word before the colon.

    It tries nothing again, keeps nothing and counts nothing: the policy does that for all of them.
    `complete` is called from several threads at once.
    """

    name: str
    """Of what answers, for keys and records: `openai`, with the server where it is not the usual
    one."""
    model: str
    """The model that is asked for."""
    sees: bool
    """Whether pictures can be sent to it."""
    calls_tools: bool
    """Whether requests with tools can be sent to it."""
    local: bool
    """Whether it works in this process, so that requests go one by one."""
    replays: bool
    """Whether its replies are those of another run, and cost nothing."""

    @classmethod
    def from_config(cls, model: str, config: Config) -> Self:
        """Make ready to answer; what is heavy may wait for the first request.

        Args:
            model: What follows the colon: `gpt-4.1` of `openai:gpt-4.1`.
            config: All settings; `config.llm` is what concerns it.

        Raises:
            MissingPackageError: A package that it needs is not installed.
            LlmError: It cannot answer: no key, no server, no such model.
        """
        ...

    def complete(self, request: Request) -> Reply:
        """Send a request once and return the reply, with secrets blotted out.

        Raises:
            TransientError: It failed in a way that may pass: try again.
            LlmError: It failed in a way that stays: the user must change something.
        """
        ...


def called(name: str, model: str) -> str:
    """Who is asked, for people: `openai:gpt-4.1`, `openai:gpt-4.1 at 127.0.0.1:8000`."""
    kind, at, server = name.partition(" at ")
    return f"{kind}:{model}{at}{server}"


class TransientError(Exception):
    """A failure that may pass: too many requests, a server error, a time-out, a cut connection."""

    retry_after: float | None = None
    """Seconds that the server asks to wait, where it does."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnreachableError(TransientError):
    """Nobody listens at the address: a server that went down, or one that never was up."""
