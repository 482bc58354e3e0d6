"""How a model in this process chooses words, when it stops, and for how long it may write."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria

from alref_agent.errors import LlmError, unknown
from alref_agent.providers.hf_source import first_line

TEMPLATE = "chat_template_kwargs"
"""The option whose entries are handed to the chat template, as vLLM calls it."""
OPTIONS = frozenset(
    {
        TEMPLATE,
        "bad_words_ids",
        "cache_implementation",
        "early_stopping",
        "epsilon_cutoff",
        "eta_cutoff",
        "length_penalty",
        "min_new_tokens",
        "min_p",
        "no_repeat_ngram_size",
        "num_beams",
        "prompt_lookup_num_tokens",
        "repetition_penalty",
        "stop_strings",
        "suppress_tokens",
        "top_k",
        "top_p",
        "typical_p",
    }
)
"""What `llm.options` may have: of transformers' `generate`, what changes how words are chosen.

The rest belongs to other settings, changes the form of what comes back, or runs code of strangers.
"""


def generation(
    own: Any, options: Mapping[str, Any], temperature: float | None = 0.0
) -> GenerationConfig:
    """How words are chosen: as the model's makers say, where the settings do not say otherwise.

    Args:
        own: The model's own `GenerationConfig`.
        options: Of the settings.
        temperature: 0: always the likeliest word; None: the model's own way.

    Raises:
        LlmError: An option is not known or cannot be used.
    """
    chosen: GenerationConfig = copy.deepcopy(own)
    if temperature is not None:
        chosen.do_sample = temperature > 0
        chosen.temperature = temperature or None
    for name, value in options.items():
        if name not in OPTIONS:
            raise LlmError(f"llm.options: {unknown('option of hf:', name, OPTIONS)}")
        if name != TEMPLATE:
            setattr(chosen, name, value)
        elif not isinstance(value, Mapping):
            raise LlmError(f"llm.options.{TEMPLATE} should be a mapping, got {value!r}.")
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
