"""API keys and servers' addresses: taken from where they may be, refused where they may not."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from alref_agent.errors import LlmError


def api_key(variable: str, *, needed: bool) -> str | None:
    """The key in an environment variable.

    Args:
        variable: Its name.
        needed: Whether nothing can be asked without one.

    Raises:
        LlmError: It is needed and not there, or it is none: with line ends or letters that no
            header can carry.
    """
    value = os.environ.get(variable, "").strip()
    if not value:
        if needed:
            raise LlmError(
                f"The environment variable {variable} is not set: export {variable}=…, or name a "
                "server that needs no key with --llm-base-url."
            )
        return None
    if not value.isascii() or not value.isprintable() or " " in value:
        raise LlmError(f"The environment variable {variable} holds no API key: check its value.")
    return value


def server_url(url: str | None) -> str | None:
    """An address as given, checked.

    Raises:
        LlmError: It is no http address, or it holds a password, which would end up in the record.
    """
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise LlmError(f"llm.base_url {url!r} is no address: {error}.") from error
    if parts.username or parts.password:
        raise LlmError(
            "llm.base_url holds a user name or password, which the record would keep: put the key "
            "in an environment variable and its name in llm.key_variable."
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise LlmError(
            f"llm.base_url {url!r} is no address of a server: as in http://127.0.0.1:8000/v1."
        )
    return url
