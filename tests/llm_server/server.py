"""The server: an API, a mind and a style, on a port of loopback, and what it was asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeAlias

from llm_server.api import Api, Outgoing
from llm_server.faults import Fault, ProblemError, problem_of, read_fault
from llm_server.http import Http
from llm_server.minds import Mind, mind_named
from llm_server.ollama_api import OllamaApi
from llm_server.openai_api import OpenAiApi
from llm_server.seen import Seen
from llm_server.styles import Style, dress, style_named
from llm_server.tool_script import ToolScript, by_script

ApiName: TypeAlias = Literal["openai", "ollama"]
_APIS: dict[str, type[Api]] = {"openai": OpenAiApi, "ollama": OllamaApi}


@dataclass
class Received:
    """A chat that was posted."""

    number: int
    headers: dict[str, str] = field(repr=False)
    """Names in lower case."""
    body: dict[str, Any] = field(repr=False)
    started: float
    """By the monotonic clock."""
    seconds: float | None = None
    """Until its answer was ready; None: it is not yet."""
    seen: Seen | None = field(default=None, repr=False)
    """None: it was refused, or met a fault."""


Script: TypeAlias = Sequence[str | None] | Callable[[Received], str | None]
"""Faults, one a chat, then none; or which one a chat meets."""


class Server:
    """Serves from its start to its stop, or within a `with` block."""

    def __init__(
        self, api: Api, mind: Mind, style: Style, delay: float, script: Script, key: str | None
    ) -> None:
        self._api, self._mind, self._style = api, mind, style
        self._delay, self._key = delay, key
        self._script = script if callable(script) else list(script)
        if not callable(script):
            for fault in script:
                read_fault(fault)
        self._lock = threading.Lock()
        self._received: list[Received] = []
        self._paths: list[str] = []
        self._busy = self._most_busy = 0
        self._http: Http | None = None
        self.url = ""

    def start(self, port: int = 0) -> Self:
        self._http = Http(port, self._api, self)
        self.url = f"http://127.0.0.1:{self._http.port}{self._api.prefix}"
        return self

    def stop(self) -> None:
        """End at once; clients that still wait see their connection closed."""
        if self._http is not None:
            self._http.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def requests(self) -> list[Received]:
        """The chats that were posted so far, with those that were refused or met a fault."""
        with self._lock:
            return list(self._received)

    @property
    def n_calls(self) -> int:
        return len(self.requests)

    @property
    def max_concurrency(self) -> int:
        """The most chats that were waiting for their answers at a time."""
        return self._most_busy

    @property
    def paths(self) -> list[str]:
        """`METHOD path` of everything that was asked for, in order."""
        with self._lock:
            return list(self._paths)

    def stats(self) -> dict[str, Any]:
        """Calls, the most at a time, and when each began and how long its answer took."""
        received = self.requests
        first = min((r.started for r in received), default=0.0)
        return {
            "n_calls": len(received),
            "max_concurrency": self._most_busy,
            "requests": [
                {"started": round(r.started - first, 4), "seconds": r.seconds} for r in received
            ],
        }

    def note(self, path: str) -> None:
        """Remember what was asked for; for the HTTP part."""
        with self._lock:
            self._paths.append(path)

    def answer(self, headers: dict[str, str], body: dict[str, Any]) -> tuple[Outgoing, Fault]:
        """What is sent for a chat, and the fault that is done to it; for the HTTP part."""
        with self._lock:
            received = Received(len(self._received), headers, body, time.monotonic())
            self._received.append(received)
            self._busy += 1
            self._most_busy = max(self._most_busy, self._busy)
        try:
            return self._answer(received)
        finally:
            received.seconds = round(time.monotonic() - received.started, 4)
            with self._lock:
                self._busy -= 1

    def _answer(self, received: Received) -> tuple[Outgoing, Fault]:
        key = received.headers.get("authorization", "").removeprefix("Bearer ")
        fault = self._fault(received)
        if fault.name == "stall":
            self._wait(fault.seconds)
        problem = problem_of(fault, key, str(received.body.get("model")))
        try:
            if problem is not None:
                raise problem
            if self._key is not None and key != self._key:
                raise ProblemError(401, f"Incorrect API key provided: {key}.", "invalid_api_key")
            seen = received.seen = self._api.read(received.body, key, received.number)
            self._wait(self._delay)
            dressed = dress(seen, self._mind(seen), self._style)
        except ProblemError as refused:
            return self._api.problem(refused), fault
        if dressed.page is not None:
            return Outgoing([dressed.page.encode()], kind="text/html; charset=utf-8"), fault
        return self._api.reply(seen, dressed), fault

    def _wait(self, seconds: float) -> None:
        if self._http is not None:
            self._http.stopping.wait(seconds)

    def _fault(self, received: Received) -> Fault:
        if callable(self._script):
            return read_fault(self._script(received))
        n = received.number
        return read_fault(self._script[n] if n < len(self._script) else None)


def serve(
    api: ApiName = "openai",
    *,
    mind: str | Mind = "marker",
    style: str | Style = "plain",
    delay: float = 0.0,
    script: Script = (),
    tool_script: ToolScript | None = None,
    models: Sequence[str] | None = None,
    blind: bool = False,
    key: str | None = None,
    port: int = 0,
) -> Server:
    """Start a server in this process; use it in a `with` block, or stop it.

    Args:
        api: Which one it speaks.
        mind: See `minds`.
        style: See `styles`; `A/B` dresses answers for frames as A, for boxes as B.
        delay: Seconds that each answer takes.
        script: See `faults`.
        tool_script: See `tool_script`; answers requests that offer tools.
        models: Those that exist; by default any of OpenAI's, and `ollama_api.PULLED`.
        blind: Whether they see no pictures: OpenAI's refuse them, Ollama's ignore them.
        key: The only key that is taken; None: any that is not empty (Ollama: none is needed).
        port: 0: a free one.
    """
    who = mind_named(mind)
    if tool_script is not None:
        who = by_script(tool_script, who)
    server = Server(_APIS[api](models, blind), who, style_named(style), delay, script, key)
    return server.start(port)
