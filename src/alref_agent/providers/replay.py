"""Replies of an earlier run: the provider `replay`, and what a run that is done again is given.

`replay:FOLDER` takes a run folder, or any folder of replies. A request is looked up by what is
said, whoever was asked then.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from alref_agent.config import Config
from alref_agent.errors import AlrefError, ConfigError, LlmError
from alref_agent.providers.messages import Reply, Request
from alref_agent.providers.names import LlmName
from alref_agent.providers.reply_store import Kept, ReplyStore, read_reply
from alref_agent.record import RequestRecord

RECORDED = Path("record") / "replies"
"""Where a run folder has its replies."""


class Replay:
    """Answers as it was answered before."""

    name = "replay"
    sees = True
    calls_tools = True
    local = False
    replays = True

    def __init__(self, folder: Path) -> None:
        """Read all replies of a folder.

        Raises:
            LlmError: There are none; or several LLMs gave different replies to one request.
        """
        self.model = str(folder)
        inside = folder / RECORDED
        self._folder = inside if inside.is_dir() else folder
        self._replies: dict[str, Reply] = {}
        askers: dict[str, str] = {}
        for kept in ReplyStore(self._folder).all():
            asked = f"{kept.provider}:{kept.model}"
            known = self._replies.get(kept.digest)
            if known is not None and known.text != kept.reply.text:
                raise LlmError(
                    f"{folder} has replies of {askers[kept.digest]} and of {asked} to one request: "
                    "give the folder of one run."
                )
            self._replies[kept.digest] = kept.reply
            askers[kept.digest] = asked
        if not self._replies:
            raise LlmError(
                f"{folder} holds no replies: give the folder of a run that asked an LLM."
            )

    @classmethod
    def from_config(cls, model: str, config: Config) -> Self:
        """Read the folder; see `__init__`."""
        return cls(Path(model).expanduser().resolve())

    def complete(self, request: Request) -> Reply:
        """The recorded reply.

        Raises:
            LlmError: That was not asked then: a prompt, a setting, the video or a version differs.
        """
        reply = self._replies.get(request.digest)
        if reply is None:
            raise LlmError(
                f"{self.model} has no reply to this request: it was recorded with other "
                "expressions, prompts, settings or another version; use the same, or an LLM."
            )
        return reply


class Recorded:
    """The replies that a `result.json` holds, looked up by what was said."""

    def __init__(self, requests: Iterable[RequestRecord]) -> None:
        """Read all replies.

        Raises:
            ConfigError: One of them is none.
        """
        self._kept = {request.digest: _kept(request) for request in requests}

    def get(self, key: str, digest: str) -> Kept | None:
        """The reply to a request, whoever was asked then."""
        return self._kept.get(digest)


class Unavailable:
    """Stands for an LLM that cannot be asked, in a run whose replies are all there already."""

    sees = True
    calls_tools = True
    local = False
    replays = False

    def __init__(self, name: LlmName, error: AlrefError) -> None:
        self.name = name.kind
        self.model = name.model
        self._error = error

    @classmethod
    def from_config(cls, model: str, config: Config) -> Self:
        """Not made from settings."""
        raise LlmError(f"{model} cannot be asked.")

    def complete(self, request: Request) -> Reply:
        """Raise why it cannot be asked."""
        raise self._error


def unrecorded(error: AlrefError) -> AlrefError:
    """The failure of a question that a run which is done again asks anew."""
    return type(error)(
        "The recorded run has no reply to this question (the prompts, the video or the settings "
        f"differ), and it cannot be asked anew: {error}"
    )


def _kept(request: RequestRecord) -> Kept:
    kind, _, model = request.asked.partition(":")
    try:
        reply = read_reply(
            {
                "text": request.reply,
                "model": request.answered_by,
                "finish": request.finish,
                "tool_calls": request.tool_calls,
                "input_tokens": request.input_tokens,
                "output_tokens": request.output_tokens,
                "seconds": request.seconds,
                "attempts": request.attempts,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"The recorded run has a reply that is none (request {request.key}): {place}: "
            f"{first['msg']}."
        ) from error
    return Kept(kind, model, request.digest, reply)
