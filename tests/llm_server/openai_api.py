"""OpenAI's chat completions API, as strict about requests as the real one."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from llm_server.api import Outgoing
from llm_server.eyes import decode
from llm_server.faults import ProblemError
from llm_server.seen import BAD, Call, Dressed, Rgb, Seen, Turn, n_tokens

_ROLES = ("system", "developer", "user", "assistant", "tool")
_SNAPSHOT = "-2026-01-01"
"""Servers answer with the id of a snapshot, not with the name that they were asked by."""


class OpenAiApi:
    prefix = "/v1"
    chat = "/v1/chat/completions"

    def __init__(self, models: Sequence[str] | None, blind: bool) -> None:
        self.models = None if models is None else tuple(models)
        self.blind = blind

    def get(self, path: str, body: Mapping[str, Any]) -> Outgoing | None:
        if path != "/v1/models":
            return None
        known = self.models or ("gpt-4.1",)
        data = [{"id": m, "object": "model", "created": 0, "owned_by": "tests"} for m in known]
        return Outgoing([json.dumps({"object": "list", "data": data}).encode()])

    def read(self, body: Mapping[str, Any], key: str, number: int) -> Seen:
        if not key:
            raise ProblemError(401, "You didn't provide an API key.", None)
        model = body.get("model")
        if not isinstance(model, str) or not model:
            raise ProblemError(400, "you must provide a model parameter")
        if self.models is not None and model not in self.models:
            raise ProblemError(404, f"The model `{model}` does not exist.", "model_not_found")
        for name in ("max_tokens", "max_completion_tokens", "seed", "n"):
            value = body.get(name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
                raise _invalid(f"Invalid type for '{name}': expected an integer.", name)
        temperature = body.get("temperature")
        if temperature is not None and not 0 <= temperature <= 2:
            raise _invalid("Invalid 'temperature': must be between 0 and 2.", "temperature")
        turns = self._turns(body.get("messages"))
        return Seen(model, turns, _schema(body), _tools(body), key, number, body)

    def _turns(self, messages: Any) -> tuple[Turn, ...]:
        if not isinstance(messages, list) or not messages:
            raise _invalid("Invalid 'messages': at least one is needed.", "messages")
        turns: list[Turn] = []
        open_calls: set[str] = set()
        for place, message in enumerate(messages):
            where = f"messages[{place}]"
            role = message.get("role") if isinstance(message, dict) else None
            if role not in _ROLES:
                raise _invalid(f"Invalid value: {role!r}. Supported are {_ROLES}.", where)
            if role != "tool" and open_calls:
                raise _invalid(
                    "An assistant message with 'tool_calls' must be followed by tool messages "
                    f"responding to each 'tool_call_id': {sorted(open_calls)}.",
                    where,
                )
            text, pictures = self._content(message.get("content"), role, where)
            calls = _calls(message, role, where)
            if role == "assistant" and message.get("content") is None and not calls:
                raise _invalid(f"Invalid value for 'content' of {where}: null.", where)
            open_calls |= {call.id for call in calls}
            answered = str(message.get("tool_call_id", ""))
            if role == "tool":
                if answered not in open_calls:
                    raise _invalid(
                        "Messages with role 'tool' must be a response to a preceding message "
                        f"with 'tool_calls': {answered!r}.",
                        where,
                    )
                open_calls.discard(answered)
            role = "system" if role == "developer" else role
            turns.append(Turn(role, text, pictures, calls, answered))
        if open_calls:
            raise _invalid(f"Tool calls without an answer: {sorted(open_calls)}.", "messages")
        return tuple(turns)

    def _content(self, content: Any, role: str, where: str) -> tuple[str, tuple[Rgb, ...]]:
        if content is None and role == "assistant":
            return "", ()
        if isinstance(content, str):
            return content, ()
        if not isinstance(content, list) or not content:
            raise _invalid(f"Invalid type for {where}.content.", where)
        texts, pictures = [], []
        for part in content:
            kind = part.get("type") if isinstance(part, dict) else None
            if kind == "text" and isinstance(part.get("text"), str):
                texts.append(part["text"])
            elif kind == "image_url" and role == "user":
                pictures.append(self._picture(part, where))
            elif kind == "image_url":
                raise _invalid(
                    f"Image URLs are only allowed for messages with role 'user', but {where} "
                    f"with role '{role}' contains an image URL.",
                    where,
                )
            else:
                raise _invalid(f"Invalid value: {kind!r}. Supported: 'text', 'image_url'.", where)
        return "\n".join(texts), tuple(pictures)

    def _picture(self, part: Mapping[str, Any], where: str) -> Rgb:
        if self.blind:
            raise ProblemError(
                400, "Invalid content type. image_url is only supported by certain models.", None
            )
        link = part.get("image_url")
        if not isinstance(link, dict) or link.get("detail", "auto") not in ("auto", "low", "high"):
            raise _invalid("Invalid value for 'image_url'.", where)
        head, comma, data = str(link.get("url")).partition(",")
        if not comma or not head.startswith("data:image/") or not head.endswith(";base64"):
            raise ProblemError(400, "Failed to download the image.", "invalid_image_url")
        try:
            return decode(data, head.removeprefix("data:").removesuffix(";base64"))
        except ValueError as error:
            raise ProblemError(
                400, f"You uploaded an unsupported image: {error}.", "invalid_image_format"
            ) from error

    def reply(self, seen: Seen, dressed: Dressed) -> Outgoing:
        finish = "tool_calls" if dressed.calls else dressed.finish
        usage = _usage(seen, dressed)
        if seen.body.get("stream"):
            return _streamed(seen, dressed, finish, usage)
        message: dict[str, Any] = {"role": "assistant", "content": dressed.text, "refusal": None}
        if dressed.reasoning is not None:
            message["reasoning_content"] = dressed.reasoning
        if dressed.refusal is not None:
            message |= {"content": None, "refusal": dressed.refusal}
        if dressed.calls:
            message |= {"content": dressed.text or None, "tool_calls": _wire(seen, dressed.calls)}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        reply = _frame(seen, "chat.completion") | {
            "choices": [choice] if dressed.choices else None,
            "usage": usage,
        }
        return Outgoing([_bytes(reply, dressed)])

    def problem(self, problem: ProblemError) -> Outgoing:
        error = {
            "message": problem.message,
            "type": problem.kind,
            "param": problem.parameter,
            "code": problem.code,
        }
        body = json.dumps({"error": error}).encode()
        return Outgoing([body], problem.status, headers=problem.headers)


def _invalid(message: str, parameter: str) -> ProblemError:
    return ProblemError(400, message, "invalid_value", parameter=parameter)


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = body.get("response_format")
    if wanted is None or wanted.get("type") == "text":
        return None
    if wanted.get("type") == "json_object":
        return {"type": "object", "properties": {}}
    inner = wanted.get("json_schema") or {}
    schema = inner.get("schema")
    if wanted.get("type") != "json_schema" or not inner.get("name") or not schema:
        raise _invalid("Invalid 'response_format'.", "response_format")
    if inner.get("strict"):
        _check_strict(schema, inner["name"])
    return dict(schema)


def _check_strict(part: Any, name: str) -> None:
    if isinstance(part, list):
        for inner in part:
            _check_strict(inner, name)
    if not isinstance(part, dict):
        return
    if "properties" in part:
        missing = set(part["properties"]) - set(part.get("required", []))
        if missing or part.get("additionalProperties") is not False:
            raise ProblemError(
                400,
                f"Invalid schema for response_format '{name}': 'required' must name every property "
                "and 'additionalProperties' must be false.",
                None,
                parameter="response_format",
            )
    for inner in part.values():
        _check_strict(inner, name)


def _tools(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    tools = body.get("tools")
    if tools == []:
        raise _invalid("Invalid 'tools': empty array.", "tools")
    functions = [tool.get("function") or {} for tool in tools or ()]
    if any(not function.get("name") for function in functions):
        raise _invalid("Invalid 'tools': a function needs a name.", "tools")
    return tuple(functions)


def _calls(message: Mapping[str, Any], role: str, where: str) -> tuple[Call, ...]:
    wanted = message.get("tool_calls")
    if wanted is None:
        return ()
    if role != "assistant" or not isinstance(wanted, list) or not wanted:
        raise _invalid("Invalid 'tool_calls'.", where)
    for call in wanted:
        if not isinstance(call["function"].get("arguments"), str) or not call.get("id"):
            raise _invalid("Invalid 'tool_calls': 'id' and text 'arguments' are needed.", where)
    return tuple(Call(c["function"]["name"], c["function"]["arguments"], c["id"]) for c in wanted)


def _wire(seen: Seen, calls: Sequence[Call]) -> list[dict[str, Any]]:
    return [
        {
            "id": call.id or f"call_{seen.number}_{place}",
            "type": "function",
            "function": {
                "name": call.name,
                "arguments": call.arguments
                if isinstance(call.arguments, str)
                else json.dumps(call.arguments),
            },
        }
        for place, call in enumerate(calls)
    ]


def _frame(seen: Seen, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{seen.number:06d}",
        "object": kind,
        "created": int(time.time()),
        "model": seen.model + _SNAPSHOT,
        "system_fingerprint": "fp_tests",
    }


def _usage(seen: Seen, dressed: Dressed) -> dict[str, int]:
    asked = n_tokens("".join(turn.text for turn in seen.turns), seen.pictures)
    said = n_tokens(dressed.text)
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _streamed(seen: Seen, dressed: Dressed, finish: str, usage: dict[str, int]) -> Outgoing:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if dressed.refusal is not None:
        deltas.append({"refusal": dressed.refusal})
    if dressed.reasoning is not None:
        deltas.append({"reasoning_content": dressed.reasoning})
    size = max(8, -(-len(dressed.text) // 30))
    deltas += [{"content": dressed.text[i : i + size]} for i in range(0, len(dressed.text), size)]
    deltas += [
        {"tool_calls": [{"index": place, **call}]}
        for place, call in enumerate(_wire(seen, dressed.calls))
    ]
    frame = _frame(seen, "chat.completion.chunk")
    chunks = [
        frame | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas
    ]
    chunks.append(frame | {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if not dressed.choices:
        chunks = [frame | {"choices": []}]
    if (seen.body.get("stream_options") or {}).get("include_usage"):
        chunks.append(frame | {"choices": [], "usage": usage})
    pieces = [b"data: " + _bytes(chunk, dressed) + b"\n\n" for chunk in chunks]
    return Outgoing([*pieces, b"data: [DONE]\n\n"], kind="text/event-stream", streamed=True)


def _bytes(reply: Mapping[str, Any], dressed: Dressed) -> bytes:
    data = json.dumps(reply, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if b"\xed" in data:  # half a character, which JSON can hold as an escape only
        data = json.dumps(reply).encode()
    return data.replace(BAD.encode(), b"\xe9\xff") if dressed.spoilt else data
