"""`llm.options`: handed on to the client as they are, except what must not be among them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from alref_agent.errors import AlrefError, LlmError

_SECRET = re.compile(
    r"api_?key|access_?key|secret|passw|credential|authori[sz]ation|cookie|bearer|"
    r"(^|_)auth$|(access|api|auth|bearer|hf|refresh|security|session)_token"
)
_SECRET_OF_A_REQUEST = re.compile(r"(^|_)(key|token|sig|signature)$")
"""In headers and queries, where such words mean nothing else."""
_REQUEST = ("default_headers", "default_query", "extra_headers", "extra_query")
_OWN = {
    "api_key": "llm.key_variable",
    "base_url": "llm.base_url",
    "max_completion_tokens": "llm.max_tokens",
    "max_retries": "llm.attempts",
    "max_tokens": "llm.max_tokens",
    "model": "llm.model",
    "model_name": "llm.model",
    "model_provider": "llm.model",
    "num_predict": "llm.max_tokens",
    "openai_api_base": "llm.base_url",
    "request_timeout": "llm.timeout",
    "seed": "seed",
    "temperature": "llm.temperature",
    "timeout": "llm.timeout",
}
"""Options that have a setting of their own."""
_PARTS = {
    "async_client", "callbacks", "client", "client_kwargs", "custom_get_token_ids",
    "http_async_client", "http_client", "http_socket_options", "metadata", "n", "openai_proxy",
    "rate_limiter", "root_async_client", "root_client", "streaming", "sync_client_kwargs", "tags",
    "verbose",
}  # fmt: skip
"""Options that change how the client works rather than what the model does."""


def checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, if none of them is another setting, a part of the client, or a secret.

    Settings are written into every run folder, so a secret among them would be kept.

    Raises:
        LlmError: One of them is; the message says what to do instead, and shows no value.
    """
    for name, place in _names(options):
        plain = name.lower().replace("-", "_")
        if _SECRET.search(plain) or (place in _REQUEST and _SECRET_OF_A_REQUEST.search(plain)):
            raise LlmError(
                f"llm.options holds {name!r}, which looks like a secret, and settings are kept in "
                "the run folder: put the key in an environment variable and name that in "
                "llm.key_variable."
            )
    for name in options:
        if name in _OWN:
            raise LlmError(f"llm.options.{name} has a setting of its own: {_OWN[name]}.")
        if name in _PARTS:
            raise LlmError(f"llm.options.{name} cannot be set: it is no parameter of a model.")
    return dict(options)


@contextmanager
def refusing_options() -> Iterator[None]:
    """Turn what a client raises while it is made, which can only be for its options, into ours."""
    try:
        with warnings.catch_warnings():
            # What the client does not know it hands on, which is what options are for.
            warnings.simplefilter("ignore")
            yield
    except AlrefError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        raise LlmError(f"llm.options cannot be used: {said[:300]}") from error


def _names(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every name in options, and under which option it stands."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield str(name), place
            yield from _names(each, place or str(name))
    elif isinstance(value, list):
        for each in value:
            yield from _names(each, place)
