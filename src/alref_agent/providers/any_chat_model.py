"""Every other provider that LangChain's `init_chat_model` knows, where its package is installed."""

from __future__ import annotations

from typing import Self

from langchain.chat_models import init_chat_model

from alref_agent.config import Config
from alref_agent.errors import LlmError, MissingPackageError
from alref_agent.providers.chat_model import ChatModelProvider
from alref_agent.providers.keys import api_key, called_at, server_url
from alref_agent.providers.names import TAKEN
from alref_agent.providers.options import checked_options
from alref_agent.providers.secrets import Blotter


class AnyChatModel(ChatModelProvider):
    """What is asked for as `anthropic:MODEL`, `google_genai:MODEL` and so on."""

    @classmethod
    def from_config(cls, model: str, config: Config) -> Self:
        """Make the client.

        Args:
            model: `PROVIDER:MODEL`, whole.
            config: All settings.

        Raises:
            MissingPackageError: The provider's package is not installed.
            LlmError: LangChain does not know the provider; there is no key.
        """
        settings = config.llm
        name, _, rest = model.partition(":")
        options = checked_options(settings.options)
        url = server_url(settings.base_url)
        if settings.temperature is not None:
            options["temperature"] = settings.temperature
        if settings.max_tokens is not None:
            options["max_tokens"] = settings.max_tokens
        if url is not None:
            options["base_url"] = url
        if settings.key_variable is not None:
            options["api_key"] = api_key(settings.key_variable, "", needed=True)
        try:
            chat = init_chat_model(
                rest, model_provider=name, timeout=settings.timeout, max_retries=0, **options
            )
        except ImportError as error:
            package = getattr(error, "name", None) or f"langchain-{name}"
            raise MissingPackageError(
                f"The LLM {model!r} needs a package that is not installed: "
                f"pip install {package.replace('_', '-')}"
            ) from error
        except Exception as error:  # whatever a client checks when it is made
            said = " ".join(Blotter(None, settings.key_variable)(str(error)).split())
            if "nsupported" in said or "nable to infer" in said:
                raise LlmError(f"Unknown LLM {model!r}. Taken: {TAKEN}.") from error
            raise LlmError(f"The LLM {model!r} cannot be asked: {said[:300]}") from error
        return cls(called_at(name, url), rest, chat, key_variable=settings.key_variable)
