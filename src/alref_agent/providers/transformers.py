"""The provider `hf`: a model in this process, through transformers; see `weights.source` for which.

A model that takes pictures and text is used with both, any other one with text. Nothing constrains
what it writes: where a request has a JSON schema, the model is told so in words. Weights are loaded
at the first request, which may take minutes; requests are served one at a time.
"""

from __future__ import annotations

import inspect
import threading
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Self

import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    PreTrainedConfig,
    StoppingCriteriaList,
)

from alref_agent.config import Config
from alref_agent.errors import LlmError
from alref_agent.providers.hf_chat import Chat
from alref_agent.providers.hf_generation import Clock, Options, ends, generation
from alref_agent.providers.messages import Finish, Reply, Request
from alref_agent.weights.devices import choose_device, choose_dtype, out_of_memory
from alref_agent.weights.quiet import hushed, quiet
from alref_agent.weights.source import LLM, Source
from alref_agent.weights.trouble import first_line

LIMIT = 4096
"""The most tokens of a reply where neither the settings nor the model limit it."""
_TURN = threading.Lock()
"""One request at a time, whichever model it asks: random numbers, and what transformers may say,
are those of the process."""


@dataclass(frozen=True)
class _Loaded:
    model: Any
    chat: Chat


class Transformers:
    """See the module."""

    name = "hf"
    calls_tools = False
    local = True
    replays = False

    def __init__(
        self, source: Source, settings: PreTrainedConfig, sees: bool, config: Config
    ) -> None:
        """Take what is known before weights are loaded.

        Args:
            source: Where the model is.
            settings: The model's own.
            sees: Whether it takes pictures.
            config: All settings of the run.

        Raises:
            LlmError: The device is not there, or an option is not one of a model in this process.
        """
        self.model = source.name
        self.sees = sees
        self._source = source
        self._settings = settings
        self._device = choose_device(config.device)
        self._seed = config.seed
        self._timeout = config.llm.timeout
        self._loaded: _Loaded | None = None
        Options.read(config.llm.options)

    @classmethod
    def from_config(cls, model: str, config: Config) -> Self:
        """Find the model and read its settings; its weights wait for the first request.

        Raises:
            LlmError: It is not there, cannot be reached, is of a kind that is not known, or the
                device is not there.
            MissingPackageError: A package that reads it is not installed.
        """
        with _TURN, quiet():
            source = Source.parse(model, LLM).found()
            try:
                settings = AutoConfig.from_pretrained(source.place, **source.options)
            # Settings that are broken show as an exception of any class.
            except Exception as error:
                raise source.explained(error) from error
            return cls(source, settings, _sees(source, settings), config)

    def complete(self, request: Request) -> Reply:
        """Answer a request; see `Provider`. The first one loads the model.

        Raises:
            LlmError: The model cannot be loaded or does not fit; it takes no pictures or no tools;
                the request is longer than its context, or takes longer than llm.timeout.
            MissingPackageError: A package that the model needs is not installed.
        """
        if request.tools or any(m.role == "tool" or m.tool_calls for m in request.messages):
            raise LlmError(f"hf:{self.model} calls no tools here: take openai: or ollama:.")
        if request.pictures and not self.sees:
            raise LlmError(
                f"hf:{self.model} does not see: use text prompts (--set prompts.pivot_frame=text-v1"
                " --set prompts.pivot_box=text-v1), or take a model that does."
            )
        with _TURN, quiet():
            try:
                if self._loaded is None:
                    self._loaded = self._load()
                return self._answer(self._loaded, request)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
        raise LlmError(
            f"hf:{self.model} does not fit into the memory of {self._device}: take a smaller "
            "model, or smaller pictures (sampling.max_side)."
        )

    def _load(self) -> _Loaded:
        chat = Chat.load(self._source, self._settings, self.sees)
        kind: Any = AutoModelForImageTextToText if self.sees else AutoModelForCausalLM
        options = dict(self._source.options)
        quantized = getattr(self._settings, "quantization_config", None) is not None
        if quantized:  # such weights cannot be moved once they are loaded
            options["device_map"] = {"": str(self._device)}
        try:
            with hushed() if self._source.gguf else nullcontext():
                model, report = kind.from_pretrained(
                    self._source.place,
                    config=self._settings,
                    dtype=choose_dtype("auto", self._device),
                    output_loading_info=True,
                    **options,
                )
        # What is wrong with weights shows as an exception of any class.
        except Exception as error:
            if out_of_memory(error):
                raise
            raise self._source.explained(error) from error
        missing = sorted(report.get("missing_keys", ()))
        if missing:  # they are random: the model would talk nonsense, and nobody would know why
            raise LlmError(
                f"hf:{self.model}: {len(missing)} of its weights are missing ({missing[0]}, …): "
                "get the model again."
            )
        return _Loaded((model if quantized else model.to(self._device)).eval(), chat)

    def _answer(self, loaded: _Loaded, request: Request) -> Reply:
        model, chat = loaded.model, loaded.chat
        sampling = request.sampling
        options = Options.read(sampling.options)
        own = generation(model.generation_config, options, sampling.temperature)
        inputs = chat.encode(request.messages, request.schema, options.chat_template_kwargs)
        n_input = int(inputs["input_ids"].shape[1])
        own.max_new_tokens = self._room(n_input, sampling.max_tokens)
        own.max_length = None
        stops = ends(own.eos_token_id, chat.tokenizer.eos_token_id)
        own.eos_token_id = stops or None
        if own.pad_token_id is None:
            own.pad_token_id = stops[0] if stops else 0
        if "token_type_ids" not in inspect.signature(model.forward).parameters:
            inputs.pop("token_type_ids", None)
        inputs = {name: self._moved(value, model.dtype) for name, value in inputs.items()}
        clock = Clock(self._timeout)
        seed = self._seed if sampling.seed is None else sampling.seed
        on_gpu = [self._device] if self._device.type == "cuda" else []
        # The random numbers of whoever else draws some in this process stay as they were.
        with torch.inference_mode(), torch.random.fork_rng(on_gpu):
            torch.manual_seed(seed + request.repeat)
            try:
                written = model.generate(
                    **inputs,
                    generation_config=own,
                    stopping_criteria=StoppingCriteriaList([clock]),
                    tokenizer=chat.tokenizer,
                )
            except (ValueError, TypeError, IndexError, RuntimeError) as error:
                if out_of_memory(error):
                    raise
                raise LlmError(
                    f"hf:{self.model} failed while it wrote: {first_line(error)}"
                ) from error
        ids: list[int] = written[0, n_input:].tolist()
        end = next((n for n, token in enumerate(ids) if token in stops), None)
        finish: Finish = "stop"
        if end is not None:
            ids = ids[: end + 1]
        elif len(ids) >= own.max_new_tokens:
            finish = "length"
        elif clock.rang:
            raise LlmError(
                f"hf:{self.model} took longer than llm.timeout, {self._timeout:g} seconds, for one "
                f"reply on {self._device}: raise llm.timeout, lower llm.max_tokens, or take a "
                "smaller model."
            )
        return Reply(
            text=chat.decode(ids),
            model=self._source.answers_as,
            finish=finish,
            input_tokens=n_input,
            output_tokens=len(ids),
        )

    def _room(self, n_input: int, asked: int | None) -> int:
        text = self._settings.get_text_config(decoder=True)
        context = getattr(text, "max_position_embeddings", None)
        if not isinstance(context, int) or context <= 0:
            return asked or LIMIT
        if n_input >= context:
            raise LlmError(
                f"hf:{self.model} reads at most {context} tokens, and the request has {n_input}: "
                "use fewer or smaller pictures (sampling.frames_per_sheet, sampling.max_side)."
            )
        return min(asked or context, context - n_input)

    def _moved(self, value: Any, dtype: torch.dtype) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return value.to(self._device, dtype if value.is_floating_point() else None)


def _sees(source: Source, settings: PreTrainedConfig) -> bool:
    kind = type(settings)
    sees = kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING and source.gguf is None
    if settings.is_encoder_decoder or not (sees or kind in MODEL_FOR_CAUSAL_LM_MAPPING):
        raise LlmError(
            f"hf:{source.name}: a model of the kind {settings.model_type!r} does not answer "
            "questions; take one that reads images and text, or text, and writes text."
        )
    return sees
