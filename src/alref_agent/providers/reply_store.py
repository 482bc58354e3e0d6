"""Replies on disk, content-addressed: the record of a run, the cache of a user, what replays read.

A file a reply, `ab/KEY.json`, written whole or not at all, so that several threads and processes
share a folder without locks. What cannot be read back, or answers another request, counts as not
there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from alref_agent.errors import OutputError
from alref_agent.media.atomic import whole_file
from alref_agent.providers.messages import Finish, Reply, Request, ToolCall
from alref_agent.record import ReplySource

FORMAT: Literal[1] = 1

_Tokens = Annotated[int, Field(gt=-(2**63), lt=2**63)]
"""Larger numbers are damage, and no money can be counted with them."""


class _Content(BaseModel):
    """What files and records say; nothing is turned into what it should have been."""

    model_config = ConfigDict(strict=True, extra="forbid")


class _CallContent(_Content):
    id: str
    name: str
    # Not `Any`: what is nested too deeply is refused.
    arguments: dict[str, JsonValue]


class _ReplyContent(_Content):
    text: str
    model: str
    finish: Finish
    tool_calls: list[_CallContent]
    input_tokens: _Tokens | None
    output_tokens: _Tokens | None
    seconds: float = Field(ge=0, allow_inf_nan=False)
    attempts: int = Field(ge=0, lt=2**63)

    def reply(self) -> Reply:
        calls = (ToolCall(call.id, call.name, call.arguments) for call in self.tool_calls)
        return Reply(**dict(self) | {"tool_calls": tuple(calls)})


class _FileContent(_Content):
    format: Literal[1]
    key: str
    provider: str
    model: str
    """The model that was asked."""
    digest: str
    source: ReplySource
    reply: _ReplyContent
    request: Any
    """For people; nobody reads it back."""


@dataclass(frozen=True)
class Kept:
    """A reply and what it answers."""

    provider: str
    model: str
    """The model that was asked."""
    digest: str
    """Of the request, without who was asked."""
    reply: Reply
    source: ReplySource = "llm"
    """Where the run that keeps it has it from."""


class Replies(Protocol):
    """Where replies may be found."""

    def get(self, key: str, digest: str) -> Kept | None:
        """The reply to a request, None if there is none.

        Args:
            key: Of the request and who is asked.
            digest: Of the request alone.
        """
        ...


def reply_key(provider: str, model: str, request: Request) -> str:
    """The name of a reply: equal where who is asked and all that is said are equal."""
    text = json.dumps([FORMAT, provider, model, request.digest])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class ReplyStore:
    """A folder of replies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str, digest: str = "") -> Kept | None:
        """The reply under a key, None if there is none that can be read.

        Args:
            key: Of the request and who is asked.
            digest: Of the request alone; empty: any.
        """
        kept = read_kept(self._file(key))
        return None if kept is None or (digest and kept.digest != digest) else kept

    def put(self, key: str, kept: Kept, request: Request) -> None:
        """Keep a reply, with the request that it answers.

        Raises:
            OutputError: The folder cannot be written; the disk is full.
        """
        content = {
            "format": FORMAT,
            "key": key,
            "provider": kept.provider,
            "model": kept.model,
            "digest": kept.digest,
            "source": kept.source,
            "reply": asdict(kept.reply),
            "request": {
                "messages": [message.plain() for message in request.messages],
                "sampling": asdict(request.sampling),
                "schema": request.schema,
                "tools": list(request.tools),
                "repeat": request.repeat,
            },
        }
        text = json.dumps(content, ensure_ascii=False)
        with whole_file(self._file(key)) as path:
            # Half a character cannot be written; replies of strangers may have one.
            path.write_bytes(text.encode("utf-8", "backslashreplace"))

    def all(self) -> Iterator[Kept]:
        """Every reply that can be read, in the order of their keys."""
        for file in sorted(self.folder.glob("*/*.json")):
            kept = read_kept(file)
            if kept is not None:
                yield kept

    def _file(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


class Cache(ReplyStore):
    """A folder that many runs share: what cannot be written there is no reason to fail."""

    def put(self, key: str, kept: Kept, request: Request) -> None:
        """Keep a reply, if that is possible."""
        try:
            super().put(key, kept, request)
        except OutputError:
            return


def read_kept(file: Path) -> Kept | None:
    """What a file of a store holds; None where it is not there, is damaged or is of another key."""
    try:
        # Not pydantic's own parser: it refuses half a character, which a reply may have.
        content = _FileContent.model_validate(json.loads(file.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return None
    if content.key != file.stem:
        return None
    return Kept(
        content.provider, content.model, content.digest, content.reply.reply(), content.source
    )


def read_reply(content: dict[str, Any]) -> Reply:
    """A reply from its JSON form.

    Raises:
        ValidationError: It is none.
    """
    return _ReplyContent.model_validate(content).reply()
