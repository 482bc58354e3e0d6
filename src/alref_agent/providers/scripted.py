"""The provider `scripted`: replies from a list, in turn; for trying things out and for tests.

`scripted:FILE` takes a YAML file: `replies:` and a list of texts, or of `{step: text}` lines where
a step has replies of its own. `sees` and `calls_tools` are true, so that any strategy takes it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from alref_agent.config import Config
from alref_agent.errors import ConfigError, LlmError
from alref_agent.providers.messages import Reply, Request
from alref_agent.providers.prices import count_tokens
from alref_agent.strict_yaml import read_yaml

Script = Sequence[str | Reply] | Callable[[Request], str | Reply]


class Scripted:
    """Answers request after request from a list, or by a function of the request."""

    name = "scripted"
    sees = True
    calls_tools = True
    local = False
    replays = False

    def __init__(self, script: Script, model: str = "script") -> None:
        self.model = model
        self._script = script
        self._lock = threading.Lock()
        self.requests: list[Request] = []
        """What was asked, in the order in which it arrived."""

    @classmethod
    def from_config(cls, model: str, config: Config) -> Self:
        """Read the file.

        Raises:
            ConfigError: It cannot be read or holds no list of texts.
        """
        replies = read_yaml(Path(model).expanduser()).get("replies")
        if not isinstance(replies, list) or not all(isinstance(r, str) for r in replies):
            raise ConfigError(f"{model} should hold `replies:` and a list of texts.")
        return cls(replies, model)

    def complete(self, request: Request) -> Reply:
        """The next reply.

        Raises:
            LlmError: The list is at its end.
        """
        with self._lock:
            n = len(self.requests)
            self.requests.append(request)
        if callable(self._script):
            said = self._script(request)
        elif n < len(self._script):
            said = self._script[n]
        else:
            raise LlmError(f"The script has {len(self._script)} replies, and one more was asked.")
        if isinstance(said, Reply):
            return said
        return Reply(
            said,
            self.model,
            input_tokens=count_tokens(request),
            output_tokens=max(1, len(said) // 4),
        )
