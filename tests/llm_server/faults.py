"""How the server misbehaves on request, one fault a request.

| written | what happens |
|---|---|
| `""`, `ok` | nothing |
| `400`, `401`, `403`, `404`, `408`, `409`, `500`, `503`, `529` | that status, with a JSON body |
| `400:WORDS` | that status, with these words as the message |
| `429` | `insufficient_quota`: asking again is no use |
| `429:SECONDS`, `503:SECONDS` | with a `Retry-After` header |
| `429:date:SECONDS` | the same, as a date |
| `429:unsaid` | too many requests, without `Retry-After` |
| `502html` | a proxy's page |
| `error200` | status 200 with an error as its body, as some gateways have it |
| `stall:SECONDS` | nothing at all for so long, then the answer |
| `slow:SECONDS` | the answer, in small pieces over so long |
| `cut` | half of the answer, then the connection is closed |
| `unfinished` | a stream that stops early but ends properly; without a stream, half the JSON |
| `reset` | the connection is reset instead of an answer |
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from email.utils import formatdate


@dataclass(frozen=True)
class Fault:
    name: str = "ok"
    argument: str = ""

    @property
    def seconds(self) -> float:
        return float(self.argument)


@dataclass(eq=False)
class ProblemError(Exception):
    """What an API says in its own form where it does not answer."""

    status: int
    message: str
    code: str | None = None
    kind: str = "invalid_request_error"
    parameter: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


_TIMED = ("stall", "slow")
_BARE = ("ok", "cut", "unfinished", "reset", "502html", "error200")
_STATUS = ("400", "401", "403", "404", "408", "409", "429", "500", "502", "503", "529")


def read_fault(text: str | None) -> Fault:
    name, _, argument = (text or "ok").partition(":")
    if name in _TIMED:
        float(argument)
    elif name not in _STATUS and (name not in _BARE or argument):
        raise ValueError(f"no fault {text!r}; known: {', '.join((*_BARE, *_TIMED, *_STATUS))}")
    return Fault(name, argument)


def problem_of(fault: Fault, key: str, model: str) -> ProblemError | None:
    """The problem that a fault with a status stands for."""
    if fault.name == "error200":
        return ProblemError(200, "Upstream provider failed.", "502", "server_error")
    if fault.name not in _STATUS:
        return None
    status, argument = int(fault.name), fault.argument
    if status == 429:
        return _too_many(argument)
    message, code, kind = _problems(key, model)[status]
    headers = {}
    if status == 503 and argument:
        headers["Retry-After"] = argument
    elif argument:
        message = argument
    return ProblemError(status, message, code, kind, headers=headers)


def _problems(key: str, model: str) -> dict[int, tuple[str, str | None, str]]:
    invalid = "invalid_request_error"
    return {
        400: ("Invalid value for 'temperature'.", "invalid_value", invalid),
        401: (f"Incorrect API key provided: {key}.", "invalid_api_key", invalid),
        403: ("Country, region, or territory not supported", "unsupported_country", "forbidden"),
        404: (f"The model `{model}` does not exist.", "model_not_found", invalid),
        408: ("Request timed out.", None, "timeout"),
        409: ("The request conflicts with another.", None, "conflict"),
        500: ("The server had an error.", None, "server_error"),
        502: ("Bad gateway.", None, "server_error"),
        503: ("The engine is currently overloaded.", None, "server_error"),
        529: ("Overloaded", None, "overloaded_error"),
    }


def _too_many(argument: str) -> ProblemError:
    if not argument:
        message = "You exceeded your current quota, please check your plan and billing details."
        return ProblemError(429, message, "insufficient_quota", "insufficient_quota")
    headers = {}
    if argument.startswith("date:"):
        headers["Retry-After"] = formatdate(time.time() + float(argument[5:]), usegmt=True)
    elif argument != "unsaid":
        headers["Retry-After"] = argument
    return ProblemError(
        429, "Rate limit reached for requests.", "rate_limit_exceeded", "requests", headers=headers
    )
