"""The client libraries that users have, and messages for them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from PIL import Image

from llm_server.seen import Rgb
from llm_server.server import ApiName

KEY = "sk-test-0123456789"
APIS: tuple[ApiName, ...] = ("openai", "ollama")
WHICH_FRAME = "Which frame shows it best? Answer as [2]."
WHICH_BOX = "Which box holds it? Answer as [2]."


def chat(api: ApiName, url: str, model: str = "", *, timeout: float = 5.0, **options: Any) -> Any:
    """LangChain's client, without retries of its own."""
    if api == "openai":
        module = pytest.importorskip("langchain_openai", reason="the extra `llm` is not installed")
        options |= {"api_key": KEY, "max_retries": 0, "timeout": timeout}
        return module.ChatOpenAI(model=model or "gpt-4.1", base_url=url, **options)
    module = pytest.importorskip("langchain_ollama", reason="the extra `llm` is not installed")
    # Certificates take longer to load than anything here, and loopback has none.
    options["client_kwargs"] = {"timeout": timeout, "verify": False}
    return module.ChatOllama(model=model or "llava", base_url=url, **options)


def user(text: str, pictures: Sequence[tuple[bytes, str]] = ()) -> list[dict[str, Any]]:
    """A conversation of one turn."""
    parts: list[dict[str, Any]] = [
        {"type": "image", "base64": base64.b64encode(data).decode(), "mime_type": kind}
        for data, kind in pictures
    ]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


def with_schema(api: ApiName, client: Any, schema: Mapping[str, Any]) -> Any:
    if api == "ollama":
        return client.bind(format=schema)
    wanted = {"name": "answer", "schema": schema, "strict": True}
    return client.bind(response_format={"type": "json_schema", "json_schema": wanted})


def encode_png(pixels: Rgb) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue(), "image/png"


@contextmanager
def raises(name: str) -> Iterator[None]:
    """An exception whose class, or one that it is derived from, has this name."""
    with pytest.raises(Exception) as caught:
        yield
    assert name in [kind.__name__ for kind in type(caught.value).__mro__], repr(caught.value)
