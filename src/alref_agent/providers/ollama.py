"""The provider `ollama`: models that an Ollama server runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from langchain_core.messages import AIMessage
from langchain_ollama import ChatOllama

from alref_agent.config import Config
from alref_agent.errors import LlmError
from alref_agent.providers.chat_model import ChatModelProvider
from alref_agent.providers.keys import called_at, server_url
from alref_agent.providers.options import checked_options, refusing_options

USUAL = "http://127.0.0.1:11434"


class Ollama(ChatModelProvider):
    """See the module. The server is llm.base_url, OLLAMA_HOST, or the usual one on this machine."""

    @classmethod
    def from_config(cls, model: str, config: Config) -> Self:
        """Make the client, and look whether the server is up and has the model.

        Raises:
            LlmError: It is not up, or has not pulled the model; with the command that helps.
        """
        settings = config.llm
        url = server_url(settings.base_url) or _from_environment()
        url = url.rstrip("/").removesuffix("/v1")
        sees = _look(url, model, min(settings.timeout, 10))
        options = checked_options(settings.options)
        if settings.temperature is not None:
            options["temperature"] = settings.temperature
        if settings.max_tokens is not None:
            options["num_predict"] = settings.max_tokens
        with refusing_options():
            chat = ChatOllama(
                model=model,
                base_url=url,
                seed=config.seed,
                # Without one, the client waits for ever.
                client_kwargs={"timeout": settings.timeout},
                **options,
            )
        name = called_at("ollama", None if url == USUAL else url)
        provider = cls(name, model, chat, key_variable=settings.key_variable)
        provider.sees = sees
        return provider

    def structured(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """What asks for a reply that follows a JSON schema."""
        return {"format": dict(schema)}

    def is_whole(self, answer: AIMessage) -> bool:
        """Whether the stream came to its end: one that breaks off is taken for whole otherwise."""
        return bool(answer.response_metadata.get("done"))


def _from_environment() -> str:
    host = os.environ.get("OLLAMA_HOST", "").strip()
    if not host:
        return USUAL
    url = host if "//" in host else f"http://{host}"
    parts = urlsplit(url)
    # What a server listens on is not what a client can call.
    name = "127.0.0.1" if parts.hostname in ("0.0.0.0", "::", None) else parts.hostname
    return f"{parts.scheme}://{name}:{parts.port or 11434}"


def _look(url: str, model: str, timeout: float) -> bool:
    """Whether the model sees pictures; servers that do not say are believed to."""
    try:
        with httpx.Client(base_url=url, timeout=timeout) as client:
            answer = client.post("/api/show", json={"model": model})
    except httpx.TransportError as error:
        raise LlmError(
            f"No Ollama server answers at {url}: start one with `ollama serve`, or say where it is "
            "with --llm-base-url or OLLAMA_HOST."
        ) from error
    if answer.status_code == 404:
        raise LlmError(f"Ollama at {url} has no model {model!r}: ollama pull {model}")
    try:
        abilities = answer.json().get("capabilities")
    except (ValueError, AttributeError, RecursionError) as error:
        raise LlmError(
            f"What answers at {url} is no Ollama server: check llm.base_url; for servers that "
            "speak OpenAI's API, use openai:MODEL."
        ) from error
    return "vision" in abilities if isinstance(abilities, list) else True
