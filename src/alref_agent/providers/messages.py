"""What is sent to an LLM and what comes back, whoever the LLM is: frozen data, no client library.

A `Request` is content-addressed: its `digest` changes with every word, pixel and parameter that
could change the reply, and with nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
Finish: TypeAlias = Literal["stop", "length", "refusal", "tool-calls", "unreadable"]
"""How a reply ended: whole, cut off, refused, with calls of tools, or as no text (not UTF-8)."""


@dataclass(frozen=True)
class Picture:
    """A picture as it is sent."""

    data: bytes = field(repr=False)
    """The encoded file."""
    mime_type: str
    """`image/jpeg` or `image/png`."""
    digest: str
    """Of the pixels that were encoded, so that another version of an encoder changes nothing."""
    file: str = ""
    """Where it lies in the run folder; not part of what it is."""
    size: tuple[int, int] = (0, 0)
    """`(height, width)` in pixels."""


@dataclass(frozen=True)
class ToolCall:
    """A tool that the LLM wants to be called."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Role
    parts: tuple[str | Picture, ...]
    """Text and pictures, in order."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Of an `assistant` turn."""
    tool_call_id: str = ""
    """Of a `tool` turn: the call that it answers."""

    @property
    def words(self) -> str:
        """All text of it."""
        return "\n".join(part for part in self.parts if isinstance(part, str))

    def plain(self) -> dict[str, Any]:
        """As JSON, with pictures by digest and place."""
        parts: list[dict[str, Any]] = [
            {"text": part}
            if isinstance(part, str)
            else {"picture": part.digest, "file": part.file, "mime_type": part.mime_type}
            for part in self.parts
        ]
        plain: dict[str, Any] = {"role": self.role, "parts": parts}
        if self.tool_calls:
            plain["tool_calls"] = [
                {"id": c.id, "name": c.name, "arguments": dict(c.arguments)}
                for c in self.tool_calls
            ]
        if self.tool_call_id:
            plain["tool_call_id"] = self.tool_call_id
        return plain


@dataclass(frozen=True)
class Sampling:
    """How a reply is drawn."""

    temperature: float | None = 0.0
    """None: the model's own; some models take no other."""
    max_tokens: int | None = None
    """The most that a reply may have; None: the model's own limit."""
    seed: int | None = None
    detail: Literal["auto", "low", "high"] = "high"
    """How closely pictures are looked at, where the provider can be told."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What only this provider knows, handed on as it is."""


@dataclass(frozen=True)
class Request:
    """What is sent."""

    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    schema: Mapping[str, Any] | None = None
    """JSON schema that the reply should follow; None: free text."""
    tools: tuple[Mapping[str, Any], ...] = ()
    """Tools that may be called, each `{"name", "description", "parameters"}`."""
    repeat: int = 0
    """Distinguishes requests that are the same, where several replies are wanted."""

    @cached_property
    def digest(self) -> str:
        """Of everything that could change the reply, except who is asked."""
        what = {
            "messages": [_without_places(message.plain()) for message in self.messages],
            "sampling": {
                "temperature": self.sampling.temperature,
                "max_tokens": self.sampling.max_tokens,
                "seed": self.sampling.seed,
                "detail": self.sampling.detail,
                "options": dict(self.sampling.options),
            },
            "schema": self.schema,
            "tools": list(self.tools),
            "repeat": self.repeat,
        }
        text = json.dumps(what, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All pictures, in order."""
        return tuple(part for m in self.messages for part in m.parts if isinstance(part, Picture))


@dataclass(frozen=True)
class Reply:
    """What came back."""

    text: str
    """Verbatim, except that secrets are blotted out."""
    model: str
    """The id of the model that answered, as it says itself."""
    finish: Finish = "stop"
    tool_calls: tuple[ToolCall, ...] = ()
    input_tokens: int | None = None
    """None: the provider does not say."""
    output_tokens: int | None = None
    seconds: float = 0.0
    attempts: int = 1
    """How often it was asked, failures that were tried again included."""


def _without_places(plain: dict[str, Any]) -> dict[str, Any]:
    parts = [{k: v for k, v in part.items() if k != "file"} for part in plain["parts"]]
    return plain | {"parts": parts}
