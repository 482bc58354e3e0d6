"""What client libraries raise -> what it means: try again, or the user must change something.

Told apart by status codes and by the names of classes, so that no client library is imported here
and the clients of other providers are understood too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from alref_agent.errors import AlrefError, LlmError, RequestRefusedError
from alref_agent.providers.provider import TransientError, UnreachableError

_PASSING = {408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}
_PAGE = re.compile(r"<html|<!doctype", re.I)
_LONGEST = 300
"""Characters of a server's message that are shown."""


def translated(
    error: BaseException, asked: str, blot: Callable[[str], str] = str
) -> AlrefError | TransientError:
    """What a failed request means.

    Args:
        error: What the client library raised.
        asked: Who was asked, for the message.
        blot: Takes secrets out of a server's words, before they are shortened.

    Returns:
        A `TransientError` where it may pass, a `LlmError` where it stays; what the client library
        made of an answer that is none may pass too, unless it is a web page.
    """
    chain = list(_chain(error))
    for each in chain:
        status = _status(each)
        if status is not None:
            return _of_status(status, each, chain, asked, blot)
    names = {name for each in chain for name in _names(each)}
    if names & {"TimeoutException", "APITimeoutError", "TimeoutError"}:
        return TransientError("no answer within llm.timeout seconds")
    root = _short(chain[-1], blot)
    if names & {"ConnectError", "ConnectionRefusedError"}:
        return UnreachableError(root)
    if names & {"TransportError", "APIConnectionError", "ConnectionError"}:
        return TransientError(f"the connection broke ({root})")
    if isinstance(error, TypeError) and "unexpected keyword argument" in root:
        return LlmError(f"{asked}: llm.options has what the client does not know: {root}.")
    if any(_is_page(each) for each in chain):
        return LlmError(
            f"{asked} answered with a web page, which is no reply of an LLM: check llm.base_url, "
            "which usually ends in /v1."
        )
    return TransientError(
        f"what came back is no reply ({type(error).__name__}: {_short(error, blot)})"
    )


def _of_status(
    status: int,
    error: BaseException,
    chain: Sequence[BaseException],
    asked: str,
    blot: Callable[[str], str],
) -> LlmError | TransientError:
    said = _sentence(_short(error, blot))
    if status == 401:
        return LlmError(f"{asked} refuses the API key (401): {said}")
    if status == 403:
        return LlmError(f"{asked} may not be used with this API key (403): {said}")
    if status == 404:
        return LlmError(f"{asked} is not there (404): {said} Check llm.model and llm.base_url.")
    if status == 402 or (status == 429 and "insufficient_quota" in _codes(error)):
        return LlmError(f"{asked}: the account has no credit left ({status}): {said}")
    if status in _PASSING or status >= 500:
        waits = [wait for each in chain if (wait := _retry_after(each)) is not None]
        return TransientError(f"{status}: {said.rstrip('.')}", waits[0] if waits else None)
    hint = ""
    if "temperature" in said:
        hint = " Set llm.temperature=null for a model that takes no other."
    elif "image" in said.lower():
        hint = (
            " For a model that sees no pictures: --set prompts.pivot_frame=text-v1 "
            "--set prompts.pivot_box=text-v1."
        )
    return RequestRefusedError(f"{asked} does not take the request ({status}): {said}{hint}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it."""
    seen = 0
    while error is not None and seen < 10:
        yield error
        error = error.__cause__ or error.__context__
        seen += 1


def _names(error: BaseException) -> list[str]:
    return [kind.__name__ for kind in type(error).__mro__]


def _status(error: BaseException) -> int | None:
    for holder in (error, getattr(error, "response", None)):
        status = getattr(holder, "status_code", None)
        # Ollama's client says -1 where there was no answer.
        if isinstance(status, int) and status >= 400:
            return status
    return None


def _codes(error: BaseException) -> set[str]:
    """What the server calls the failure."""
    return {str(getattr(error, name, None)) for name in ("code", "type")}


def _is_page(error: BaseException) -> bool:
    texts = [str(error), getattr(error, "doc", None)]
    texts.append(getattr(getattr(error, "response", None), "text", None))
    return any(_PAGE.search(text[:2000]) for text in texts if isinstance(text, str))


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _short(error: BaseException, blot: Callable[[str], str]) -> str:
    """The server's own words, in one line."""
    body: Any = getattr(error, "body", None)
    message = body.get("message") if isinstance(body, dict) else None
    text = str(message or getattr(error, "error", None) or str(error) or type(error).__name__)
    if _PAGE.search(text):
        text = "a web page"
    text = " ".join(blot(text).split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _retry_after(error: BaseException) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    millis, value = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        if millis:
            return float(millis) / 1000
        if value and value.strip().replace(".", "", 1).isdigit():
            return float(value)
        if value:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (ValueError, TypeError, OverflowError):
        pass
    return None
