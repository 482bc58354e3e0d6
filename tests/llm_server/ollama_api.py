"""Ollama's API: chats with pictures beside the text, streamed as one JSON a line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from llm_server.api import Outgoing
from llm_server.eyes import decode
from llm_server.faults import ProblemError
from llm_server.seen import BAD, Call, Dressed, Rgb, Seen, Turn, n_tokens
from llm_server.styles import APOLOGY

PULLED = ("llava:latest", "qwen2.5vl:7b", "llama3.2:latest")
"""The models that are there, unless a test says otherwise; the last one sees nothing."""


class OllamaApi:
    prefix = ""
    chat = "/api/chat"

    def __init__(self, models: Sequence[str] | None, blind: bool) -> None:
        self.models: tuple[str, ...] | None = tuple(PULLED if models is None else models)
        self.blind = blind

    def get(self, path: str, body: Mapping[str, Any]) -> Outgoing | None:
        if path == "/":
            return Outgoing([b"Ollama is running"], kind="text/plain; charset=utf-8")
        if path == "/api/version":
            return _json({"version": "0.14.2"})
        if path == "/api/tags":
            return _json({"models": [_entry(name) for name in self.models or ()]})
        if path == "/api/show":
            try:
                name = self._known(body.get("model"))
            except ProblemError as problem:
                return self.problem(problem)
            capabilities = ["completion", "tools"] + ["vision"] * self._sees(name)
            entry = _entry(name)
            return _json(
                {
                    "details": entry["details"],
                    "modified_at": entry["modified_at"],
                    "model_info": {"general.architecture": "tests"},
                    "capabilities": capabilities,
                }
            )
        return None

    def _known(self, name: Any) -> str:
        if not isinstance(name, str) or not name:
            raise ProblemError(400, "model is required")
        full = name if ":" in name else f"{name}:latest"
        if full not in {m if ":" in m else f"{m}:latest" for m in self.models or ()}:
            raise ProblemError(404, f'model "{name}" not found, try pulling it first')
        return full

    def _sees(self, name: str) -> bool:
        return not self.blind and not name.startswith("llama3.2:")

    def read(self, body: Mapping[str, Any], key: str, number: int) -> Seen:
        name = self._known(body.get("model"))
        messages = body.get("messages")
        if not isinstance(messages, list):
            raise ProblemError(400, "invalid messages")
        turns = tuple(self._turn(message, name) for message in messages)
        schema = _schema(body.get("format") or None)
        options = body.get("options") or {}
        for option in ("temperature", "num_predict", "num_ctx", "seed"):
            value = options.get(option)
            if value is not None and not isinstance(value, int | float):
                raise ProblemError(400, f"option {option!r} must be of type number")
        tools = tuple(tool["function"] for tool in body.get("tools") or ())
        return Seen(str(body["model"]), turns, schema, tools, key, number, body)

    def _turn(self, message: Any, model: str) -> Turn:
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ("system", "user", "assistant", "tool"):
            raise ProblemError(400, f"invalid role: {role}")
        text = message.get("content") or ""
        if not isinstance(text, str):
            raise ProblemError(
                400, "json: cannot unmarshal array into Go struct field .messages.content"
            )
        pictures: list[Rgb] = []
        for data in message.get("images") or ():
            try:
                picture = decode(data)
            except ValueError as error:
                raise ProblemError(400, f"Failed to load image or audio file: {error}") from error
            # A model without eyes is given the words alone, and nobody is told.
            if self._sees(model):
                pictures.append(picture)
        calls = []
        for call in message.get("tool_calls") or ():
            function = call["function"]
            if not isinstance(function.get("arguments"), dict):
                raise ProblemError(400, "json: cannot unmarshal string into tool_calls arguments")
            calls.append(Call(function["name"], function["arguments"], call.get("id", "")))
        answered = message.get("tool_name") or message.get("tool_call_id") or ""
        return Turn(role, text, tuple(pictures), tuple(calls), answered)

    def reply(self, seen: Seen, dressed: Dressed) -> Outgoing:
        text = dressed.text if dressed.refusal is None else APOLOGY
        streams = seen.body.get("stream", True)
        size = max(8, -(-len(text) // 30)) if streams else max(1, len(text))
        parts = [text[i : i + size] for i in range(0, len(text), size)] or [""]
        chunks = [_chunk(seen, {"role": "assistant", "content": part}) for part in parts]
        if dressed.reasoning is not None:
            chunks[0]["message"]["thinking"] = dressed.reasoning
        if dressed.calls:
            chunks[-1]["message"]["tool_calls"] = [
                {"function": {"name": call.name, "arguments": call.arguments}}
                for call in dressed.calls
            ]
        last = {
            "done": True,
            "done_reason": "length" if dressed.finish == "length" else "stop",
            "total_duration": 10**9,
            "load_duration": 10**8,
            "prompt_eval_count": n_tokens("".join(t.text for t in seen.turns), seen.pictures),
            "prompt_eval_duration": 10**8,
            "eval_count": n_tokens(text),
            "eval_duration": 10**9,
        }
        if not dressed.choices:
            return _json({})
        if not streams:
            return Outgoing([_line(chunks[0] | last, dressed)])
        chunks.append(_chunk(seen, {"role": "assistant", "content": ""}) | last)
        lines = [_line(chunk, dressed) + b"\n" for chunk in chunks]
        return Outgoing(lines, kind="application/x-ndjson", streamed=True)

    def problem(self, problem: ProblemError) -> Outgoing:
        message = problem.message
        if problem.code == "model_not_found":
            message = f'model "{message.split("`")[1]}" not found, try pulling it first'
        body = json.dumps({"error": message}).encode()
        return Outgoing([body], problem.status, headers=problem.headers)


def _schema(wanted: Any) -> Mapping[str, Any] | None:
    if wanted == "json":
        return {"type": "object", "properties": {}}
    if wanted is None or isinstance(wanted, dict):
        return wanted
    raise ProblemError(400, f'invalid format: "{wanted}"; expected "json" or a JSON schema')


def _entry(name: str) -> dict[str, Any]:
    full = name if ":" in name else f"{name}:latest"
    return {
        "name": full,
        "model": full,
        "modified_at": "2026-01-01T00:00:00Z",
        "size": 4_000_000_000,
        "digest": "0" * 64,
        "details": {
            "format": "gguf",
            "family": "tests",
            "parameter_size": "7B",
            "quantization_level": "Q4_K_M",
        },
    }


def _chunk(seen: Seen, message: dict[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return {"model": seen.model, "created_at": now, "message": message, "done": False}


def _line(chunk: Mapping[str, Any], dressed: Dressed) -> bytes:
    data = json.dumps(chunk, ensure_ascii=False).encode()
    return data.replace(BAD.encode(), b"\xe9\xff") if dressed.spoilt else data


def _json(value: Mapping[str, Any]) -> Outgoing:
    return Outgoing([json.dumps(value).encode()])
