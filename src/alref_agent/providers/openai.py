"""The provider `openai`: OpenAI's models, and any server that speaks OpenAI's chat API."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self

from langchain_openai import ChatOpenAI

from alref_agent.config import Config
from alref_agent.providers.chat_model import ChatModelProvider, json_format
from alref_agent.providers.keys import api_key, called_at, server_url
from alref_agent.providers.options import checked_options, refusing_options
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
        # The client would find these itself, and nobody would know whose replies they are.
        elsewhere = os.environ.get("OPENAI_API_BASE") or os.environ.get("OPENAI_BASE_URL")
        url = server_url(settings.base_url or elsewhere or None)
        key = api_key(settings.key_variable, KEY, needed=url is None)
        options = checked_options(settings.options)
        if settings.temperature is not None:
            options["temperature"] = settings.temperature
        if settings.max_tokens is not None:
            options["max_completion_tokens"] = settings.max_tokens
        with refusing_options():
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
        rehearse()
        provider = cls(
            called_at("openai", url), model, chat, detail=True, key_variable=settings.key_variable
        )
        provider._extra = extra
        return provider

    def structured(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """What asks for a reply that follows a JSON schema."""
        return {"extra_body": dict(self._extra) | {"response_format": json_format(schema)}}
