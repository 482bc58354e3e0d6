"""One request through a LangChain chat model: messages there, reply back, failures told apart."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import ValidationError

from alref_agent.providers.failures import translated
from alref_agent.providers.messages import (
    Finish,
    Message,
    Picture,
    Reply,
    Request,
    Sampling,
    ToolCall,
)
from alref_agent.providers.provider import TransientError, called
from alref_agent.providers.secrets import Blotter

_CUT = {"length", "max_tokens", "MAX_TOKENS", "max_output_tokens"}
UNREADABLE = "arguments_must_be_a_json_object"
"""Name of a tool call whose own name is not known; no tool is called so, and it says what to do."""
DEEPEST = 50
"""Levels of a tool's arguments; no tool takes so many."""
_REFUSED = {"content_filter", "refusal", "SAFETY", "PROHIBITED_CONTENT", "guardrail_intervened"}


class ChatModelProvider:
    """A provider over a LangChain chat model whose own retries are off."""

    sees = True
    calls_tools = True
    local = False
    replays = False

    def __init__(
        self,
        name: str,
        model: str,
        chat: BaseChatModel,
        *,
        detail: bool = False,
        key_variable: str | None = None,
    ) -> None:
        """Wrap a model.

        Args:
            name: For keys and records.
            model: The model that is asked for.
            chat: The client, with a time-out and without retries of its own.
            detail: Whether pictures can be sent with how closely they are looked at (OpenAI's API).
            key_variable: Name of the variable with the key, where it is not the usual one.
        """
        self.name = name
        self.model = model
        self._chat = chat
        self._detail = detail
        # Before a server's words are shortened: half a key is one, too.
        self._blot = Blotter(None, key_variable)

    def complete(self, request: Request) -> Reply:
        """Send a request once; see `Provider`.

        Raises:
            TransientError: It failed in a way that may pass.
            LlmError: It failed in a way that stays.
        """
        options: dict[str, Any] = {}
        if request.tools:
            options["tools"] = [{"type": "function", "function": dict(t)} for t in request.tools]
        if request.schema is not None:
            options |= self.structured(request.schema)
        messages = to_langchain(request.messages, request.sampling if self._detail else None)
        try:
            answer = self._chat.invoke(messages, **options)
            if not self.is_whole(answer):
                raise TransientError("the reply ends in its middle")
            return to_reply(answer, self.model)
        except UnicodeDecodeError as error:
            text = bytes(error.object).decode("utf-8", "replace")
            return Reply(text, self.model, finish="unreadable")
        except TransientError:
            raise
        except Exception as error:
            if isinstance(error, ValidationError) and (calls := unreadable_calls(error)):
                return Reply("", self.model, finish="tool-calls", tool_calls=calls)
            raise translated(error, called(self.name, self.model), self._blot) from error

    def structured(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """What asks this API for a reply that follows a JSON schema."""
        return {"response_format": json_format(schema)}

    def is_whole(self, answer: AIMessage) -> bool:
        """Whether nothing is missing at the end of an answer."""
        return True


def json_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema as OpenAI's API takes it."""
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": dict(schema), "strict": True},
    }


def to_langchain(messages: Sequence[Message], openai: Sampling | None) -> list[BaseMessage]:
    """Our messages as LangChain's.

    Args:
        messages: The conversation.
        openai: Given, pictures go in OpenAI's own form, which alone can carry `detail`.
    """
    converted: list[BaseMessage] = []
    for message in messages:
        content: list[str | dict[str, Any]] = [_block(part, openai) for part in message.parts]
        texts = [part for part in message.parts if isinstance(part, str)]
        plain = "\n".join(texts) if len(texts) == len(message.parts) else None
        if message.role == "system":
            converted.append(SystemMessage(plain or ""))
        elif message.role == "user":
            converted.append(HumanMessage(content if plain is None else plain))
        elif message.role == "tool":
            converted.append(ToolMessage(plain or "", tool_call_id=message.tool_call_id))
        else:
            calls = [
                {"name": c.name, "args": dict(c.arguments), "id": c.id, "type": "tool_call"}
                for c in message.tool_calls
            ]
            converted.append(AIMessage(plain or "", tool_calls=calls))
    return converted


def to_reply(answer: AIMessage, model: str) -> Reply:
    """LangChain's answer as ours.

    Args:
        answer: What came back.
        model: Who was asked, for answers that do not say who they are.
    """
    if not isinstance(answer, AIMessage):
        raise TypeError(f"the role of the message is {answer.type!r}")
    about = answer.response_metadata
    refusal = answer.additional_kwargs.get("refusal")
    why = str(about.get("finish_reason") or about.get("done_reason") or about.get("stop_reason"))
    finish: Finish = "stop"
    if why in _CUT:
        finish = "length"
    elif refusal or why in _REFUSED:
        finish = "refusal"
    elif answer.tool_calls or answer.invalid_tool_calls:
        finish = "tool-calls"
    calls = [
        ToolCall(str(c["id"] or n), c["name"], dict(c["args"]))
        for n, c in enumerate(answer.tool_calls)
    ]
    calls = [
        call
        if _depth(call.arguments) <= DEEPEST
        else ToolCall(call.id, call.name, {"arguments": "nested too deeply"})
        for call in calls
    ]
    # Arguments that are no JSON are the LLM's mistake, which the tool's own check will tell it.
    calls += [
        ToolCall(str(c["id"] or f"invalid-{n}"), str(c["name"]), {"arguments": str(c["args"])})
        for n, c in enumerate(answer.invalid_tool_calls)
    ]
    usage: Mapping[str, Any] = answer.usage_metadata or {}
    return Reply(
        text=str(refusal) if refusal else answer.text,
        model=str(about.get("model_name") or about.get("model") or model),
        finish=finish,
        tool_calls=tuple(calls),
        input_tokens=_counted(usage.get("input_tokens")),
        output_tokens=_counted(usage.get("output_tokens")),
    )


def _counted(n: Any) -> int | None:
    """A number of tokens; None where what the server says is none."""
    return n if isinstance(n, int) and not isinstance(n, bool) and n >= 0 else None


def _depth(value: Any) -> int:
    """How deeply data is nested; looks no deeper than it must."""
    depth, level = 0, [value]
    while level and depth <= DEEPEST:
        depth += 1
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return depth


def unreadable_calls(error: ValidationError) -> tuple[ToolCall, ...]:
    """Tool calls that the client cannot take, as where their arguments are JSON but no object.

    That is the LLM's mistake, which it shall be told; the client does not say of which tool.
    """
    return tuple(
        ToolCall(f"invalid-{n}", UNREADABLE, {"arguments": str(each["input"])})
        for n, each in enumerate(error.errors(include_url=False))
        if "tool_calls" in each["loc"]
    )


def _block(part: str | Picture, openai: Sampling | None) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    data = base64.b64encode(part.data).decode()
    if openai is None:
        return {"type": "image", "base64": data, "mime_type": part.mime_type}
    url = {"url": f"data:{part.mime_type};base64,{data}", "detail": openai.detail}
    return {"type": "image_url", "image_url": url}
