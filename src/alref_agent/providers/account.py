"""What is written down of a request and its reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel

from alref_agent.prompts.prompt import Prompt
from alref_agent.providers.exchange import Answered
from alref_agent.providers.messages import Picture, Request
from alref_agent.record import RequestRecord


def request_record(
    prompt: Prompt,
    request: Request,
    answered: Answered,
    *,
    text: str,
    exp_id: str,
    frames: Sequence[int],
    pictures: Sequence[Picture],
    understood: BaseModel | Mapping[str, Any] | None,
    problem: str = "",
    repair: bool = False,
) -> RequestRecord:
    """A request and what came of it, for the record; see `RequestRecord` for the fields."""
    reply = answered.reply
    plain = understood.model_dump(mode="json") if isinstance(understood, BaseModel) else understood
    return RequestRecord(
        key=answered.key,
        digest=request.digest,
        step=prompt.step,
        prompt=prompt.id,
        prompt_digest=prompt.digest,
        exp_id=exp_id,
        frames=list(frames),
        pictures=[picture.file for picture in pictures],
        text=text,
        asked=answered.asked,
        answered_by=reply.model,
        reply=reply.text,
        finish=reply.finish,
        tool_calls=[asdict(call) for call in reply.tool_calls],
        understood=None if plain is None else dict(plain),
        problem=problem,
        repair=repair,
        source=answered.source,
        attempts=reply.attempts,
        input_tokens=reply.input_tokens,
        output_tokens=reply.output_tokens,
        cost=answered.cost,
        seconds=reply.seconds,
    )
