"""API keys and servers' addresses: taken from where they may be, refused where they may not."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from alref_agent.errors import LlmError

_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")


def api_key(named: str | None, usual: str, *, needed: bool) -> str | None:
    """The key in an environment variable.

    Args:
        named: What `llm.key_variable` says; None: the usual one.
        usual: The provider's own variable.
        needed: Whether nothing can be asked without one.

    Raises:
        LlmError: It is needed, or named, and not there, or it is none: with line ends or letters
            that no header can carry.
    """
    if named is not None and not _NAME.fullmatch(named):
        # What stands there may be the key itself, which is not repeated.
        raise LlmError(
            "llm.key_variable should be the name of an environment variable that holds the key, as "
            f"{usual}; what it says is no such name."
        )
    variable = named or usual
    value = os.environ.get(variable, "").strip()
    if not value:
        if needed or named:
            raise LlmError(
                f"The environment variable {variable} is not set: export {variable}=…, name a "
                "server that needs no key with --llm-base-url, or go without an LLM: --llm none."
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
        shown = "" if "@" in url else f" {url!r}"
        raise LlmError(f"llm.base_url{shown} is no address: {error}.") from error
    if parts.query or parts.fragment:
        raise LlmError(
            "llm.base_url has a query (?…), which does not belong there: put a key in an "
            "environment variable and its name in llm.key_variable, and what else the server wants "
            "in llm.options.default_query."
        )
    if parts.username or parts.password:
        raise LlmError(
            "llm.base_url holds a user name or password, which the record would keep: put the key "
            "in an environment variable and its name in llm.key_variable."
        )
    well_formed = url.isascii() and url.isprintable() and " " not in url and "..." not in url
    if parts.scheme not in ("http", "https") or not parts.hostname or not well_formed:
        raise LlmError(
            f"llm.base_url {url!r} is no address of a server: as in http://127.0.0.1:8000/v1."
        )
    return url


def called_at(name: str, url: str | None) -> str:
    """A provider's name, with the server where it is not the usual one: for keys and records."""
    if url is None:
        return name
    parts = urlsplit(url)
    return f"{name} at {parts.netloc}{parts.path.rstrip('/').removesuffix('/v1')}"
