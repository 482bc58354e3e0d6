"""How a model in this process chooses words, when it stops, and for how long it may write."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from transformers import GenerationConfig, StoppingCriteria

from alref_agent.errors import LlmError, unknown
from alref_agent.weights.trouble import first_line

_Words = Annotated[str, Field(min_length=1)]


class Options(BaseModel):
    """What `llm.options` may have: of transformers' `generate`, what changes how words are chosen.

    The rest belongs to other settings, changes the form of what comes back, or runs code of
    strangers. `generate` takes some values that make no sense without a word; they are refused.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    chat_template_kwargs: dict[str, JsonValue] | None = None
    """Handed to the chat template, as `enable_thinking`; so vLLM calls it."""
    cache_implementation: str | None = None
    early_stopping: bool | Literal["never"] | None = None
    length_penalty: float | None = None
    min_new_tokens: int | None = Field(None, ge=0)
    min_p: float | None = Field(None, ge=0, le=1)
    no_repeat_ngram_size: int | None = Field(None, ge=0)
    num_beams: int | None = Field(None, ge=1, le=64)
    prompt_lookup_num_tokens: int | None = Field(None, ge=1)
    repetition_penalty: float | None = Field(None, gt=0)
    stop_strings: _Words | list[_Words] | None = None
    top_k: int | None = Field(None, ge=1)
    top_p: float | None = Field(None, gt=0, le=1)

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Self:
        """Check options.

        Raises:
            LlmError: One is not known, or cannot be used.
        """
        for name in options:
            if name not in cls.model_fields:
                raise LlmError(f"llm.options: {unknown('option of hf:', name, cls.model_fields)}")
        try:
            return cls.model_validate(dict(options))
        except ValidationError as error:
            first = error.errors()[0]
            raise LlmError(
                f"llm.options.{first['loc'][0]}: {first['msg']}, got {first['input']!r}."
            ) from error


def generation(own: Any, options: Options, temperature: float | None) -> GenerationConfig:
    """How words are chosen: as the model's makers say, where the settings do not say otherwise.

    Args:
        own: The model's own `GenerationConfig`.
        options: Of the settings.
        temperature: 0: always the likeliest word; None: the model's own way.

    Raises:
        LlmError: An option cannot be used.
    """
    chosen: GenerationConfig = copy.deepcopy(own)
    if temperature is not None:
        chosen.do_sample = temperature > 0
        chosen.temperature = temperature or None
    for name, value in options.model_dump(exclude_none=True).items():
        if name != "chat_template_kwargs":
            setattr(chosen, name, value)
    try:
        chosen.validate()
    except (ValueError, TypeError) as error:
        raise LlmError(f"llm.options cannot be used: {first_line(error)}") from error
    return chosen


def ends(*given: int | list[int] | None) -> list[int]:
    """The ids that end a reply; some models' settings leave out that of their tokenizer."""
    all_of_them: list[int] = []
    for ids in given:
        all_of_them += [ids] if isinstance(ids, int) else ids or []
    return list(dict.fromkeys(all_of_them))


class Clock(StoppingCriteria):
    """Ends a reply that takes too long."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self.rang = False
        """Whether it did."""

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        self.rang = self.rang or time.monotonic() > self._end
        return torch.full((input_ids.shape[0],), self.rang, device=input_ids.device)
