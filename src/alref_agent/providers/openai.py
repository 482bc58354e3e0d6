"""The provider `openai`: OpenAI's models, and any server that speaks OpenAI's chat API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlsplit

from langchain_openai import ChatOpenAI

from alref_agent.config import Config
from alref_agent.providers.chat_model import ChatModelProvider, json_format
from alref_agent.providers.keys import api_key, server_url
from alref_agent.providers.rehearsal import rehearse

KEY = "OPENAI_API_KEY"


class OpenAi(ChatModelProvider):
    """See the module. `llm.base_url` names another server; those at home need no key."""

    _extra: Mapping[str, Any] = {}
    """What the user adds to the body of every request."""

    @classmethod
    def from_config(cls, model: str, config: Config) -> Self:
        """Make the client; nothing is sent to anybody.

        Raises:
            LlmError: No API key, or a base URL that is none.
        """
        settings = config.llm
        url = server_url(settings.base_url)
        key = api_key(settings.key_variable or KEY, needed=url is None)
        options: dict[str, Any] = dict(settings.options)
        if settings.temperature is not None:
            options["temperature"] = settings.temperature
        if settings.max_tokens is not None:
            options["max_completion_tokens"] = settings.max_tokens
        chat = ChatOpenAI(
            model=model,
            base_url=url,
            api_key=key or "none",
            timeout=settings.timeout,
            max_retries=0,  # one layer tries again: the policy
            seed=config.seed,
            # Other servers know the chat API only.
            use_responses_api=None if url is None else False,
            **options,
        )
        # Through `response_format` itself the client would raise for replies that were cut off.
        extra: dict[str, Any] = dict(options.get("extra_body") or {})
        name = "openai" if url is None else f"openai at {urlsplit(url).netloc}"
        rehearse()
        provider = cls(name, model, chat, detail=True)
        provider._extra = extra
        return provider

    def structured(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """What asks for a reply that follows a JSON schema."""
        return {"extra_body": dict(self._extra) | {"response_format": json_format(schema)}}
