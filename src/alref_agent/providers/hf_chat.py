"""A conversation as the ids and pixels that a local model takes, and its ids as text.

A processor of transformers joins a tokenizer, an image processor and, for many models, a video
processor, which works only where torchvision is installed. No video is ever sent here, and the
image processors have a variant that needs Pillow alone: without torchvision, the processor is put
together without its video part.
"""

from __future__ import annotations

import inspect
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

from PIL import Image
from transformers import (
    PROCESSOR_MAPPING,
    AutoFeatureExtractor,
    AutoImageProcessor,
    AutoProcessor,
    AutoTokenizer,
    PreTrainedConfig,
    ProcessorMixin,
)

from alref_agent.errors import AlrefError, LlmError
from alref_agent.providers.messages import Message, Picture
from alref_agent.weights.source import Source
from alref_agent.weights.trouble import first_line, without_torchvision


class Chat:
    """What stands between a conversation and a model."""

    def __init__(self, name: str, tokenizer: Any, processor: Any = None) -> None:
        """Take the parts that were loaded.

        Args:
            name: Of the model, for messages.
            tokenizer: Of a model of text.
            processor: Of a model that sees; it comes before the tokenizer.

        Raises:
            LlmError: There is no chat template.
        """
        self.tokenizer = tokenizer
        self._name = name
        self._processor = processor
        template = getattr(processor, "chat_template", None) or tokenizer.chat_template
        if isinstance(template, dict):
            template = template.get("default")
        if not template:
            raise LlmError(
                f"hf:{name} has no chat template, so it was not made to be asked: take a model of "
                "the same family that was (its name often ends in -Instruct or -it)."
            )
        self._template: str = template
        self._control = _control_tokens(tokenizer, template)

    @classmethod
    def load(cls, source: Source, config: PreTrainedConfig, sees: bool) -> Chat:
        """Load the parts that a model comes with.

        Raises:
            LlmError, MissingPackageError: One of them is not there or cannot be used.
        """
        try:
            if sees:
                processor = _processor(source, config)
                return cls(source.name, processor.tokenizer, processor)
            return cls(source.name, AutoTokenizer.from_pretrained(source.place, **source.options))
        except AlrefError:
            raise
        # What is wrong with the files of a model shows as an exception of any class.
        except Exception as error:
            raise source.explained(error) from error

    def encode(
        self,
        messages: Sequence[Message],
        schema: Mapping[str, Any] | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> Any:
        """The conversation as what the model takes: ids, and pixels where there are pictures.

        Args:
            messages: Turns of system, user and assistant.
            schema: JSON schema that the reply should follow; the last turn is told so in words.
            variables: For the chat template, as `enable_thinking`.

        Raises:
            LlmError: The model's template or processor does not take it.
        """
        pictures = [
            _opened(part)
            for message in messages
            for part in message.parts
            if isinstance(part, Picture)
        ]
        prompt = self._render(self._turns(messages, schema), dict(variables or {}))
        # Some templates leave the first token to the tokenizer; none should be there twice.
        first = self.tokenizer.bos_token
        try:
            if self._processor is None:
                return self.tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
            return self._processor(
                text=prompt,
                images=[pictures] if pictures else None,
                add_special_tokens=not (first and prompt.startswith(first)),
                return_tensors="pt",
            )
        except (ValueError, TypeError, IndexError, KeyError) as error:
            raise LlmError(
                f"hf:{self._name}: its processor does not take the request: {first_line(error)}"
            ) from error

    def decode(self, ids: Any) -> str:
        """What the model wrote, without the tokens that only structure it."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def _turns(self, messages: Sequence[Message], schema: Mapping[str, Any] | None) -> list[_Turn]:
        turns = [
            _Turn(
                message.role,
                [self._as_text(part) if isinstance(part, str) else None for part in message.parts],
            )
            for message in messages
        ]
        if schema is not None and turns:
            line = f"Reply with JSON alone, as this schema has it: {json.dumps(schema)}"
            turns[-1].parts.append(self._as_text(line))
        return turns

    def _as_text(self, text: str) -> str:
        """The text with a space in what would end a turn, begin one, or stand for a picture."""
        if self._control is None:
            return text
        return self._control.sub(lambda found: found[0][0] + " " + found[0][1:], text)

    def _render(self, turns: list[_Turn], variables: dict[str, Any]) -> str:
        told = [part for turn in turns if turn.role == "system" for part in turn.parts if part]
        error: Exception | None = None
        # Templates without a system turn refuse one, or leave it out without a word.
        for variant in (turns, _without_system(turns)) if told else (turns,):
            try:
                prompt = self.tokenizer.apply_chat_template(
                    [self._turn(turn) for turn in variant],
                    chat_template=self._template,
                    tokenize=False,
                    add_generation_prompt=True,
                    **variables,
                )
            # A template is a program of whoever made the model, and may fail in any way.
            except Exception as failure:
                error = failure
                continue
            if all(part.strip() in prompt for part in told):
                return str(prompt)
        why = first_line(error) if error else "it leaves out the system's words"
        raise LlmError(f"hf:{self._name}: its chat template does not take the request: {why}")

    def _turn(self, turn: _Turn) -> dict[str, Any]:
        # Templates put parts together without anything between them.
        parts: list[str | None] = []
        for part in turn.parts:
            if part is not None and parts and parts[-1] is not None:
                parts[-1] += "\n" + part
            else:
                parts.append(part)
        content: str | list[dict[str, str]] = [
            {"type": "image"} if part is None else {"type": "text", "text": part} for part in parts
        ]
        if self._processor is None:
            content = "\n".join(part for part in parts if part is not None)
        return {"role": turn.role, "content": content}


@dataclass
class _Turn:
    role: str
    parts: list[str | None]
    """Text; None stands for a picture."""


def _without_system(turns: Sequence[_Turn]) -> list[_Turn]:
    told = [part for turn in turns if turn.role == "system" for part in turn.parts]
    rest = [_Turn(turn.role, list(turn.parts)) for turn in turns if turn.role != "system"]
    first = next((turn for turn in rest if turn.role == "user"), None)
    if first is None:
        return [_Turn("user", told), *rest]
    first.parts = [*told, *first.parts]
    return rest


def _opened(picture: Picture) -> Image.Image:
    try:
        return Image.open(io.BytesIO(picture.data)).convert("RGB")
    except OSError as error:
        raise LlmError(f"A picture cannot be read as {picture.mime_type}: {error}") from error


def _control_tokens(tokenizer: Any, template: str) -> re.Pattern[str] | None:
    """What matches text that the tokenizer would not read as text."""
    tokens = {
        token.content
        for token in tokenizer.added_tokens_decoder.values()
        # Some tokenizers do not call special what their template structures turns with.
        if (token.special or token.content in template) and len(token.content.strip()) > 1
    }
    if not tokens:
        return None
    return re.compile("|".join(re.escape(t) for t in sorted(tokens, key=len, reverse=True)))


def _processor(source: Source, config: PreTrainedConfig) -> Any:
    kind: Any = PROCESSOR_MAPPING.get(type(config), None)
    wants_video = kind is not None and "video_processor" in kind.get_attributes()
    if not wants_video or find_spec("torchvision"):
        try:
            load: Any = AutoProcessor.from_pretrained  # it has no types
            processor = load(source.place, config=config, **source.options)
        # What only videos would need may be missing: num2words, settings of a video processor.
        except Exception:
            if not wants_video:
                raise
        else:
            if not hasattr(processor, "image_processor"):
                raise LlmError(f"hf:{source.name} lacks the files of its image processor.")
            return processor
    loaders: dict[str, Any] = {
        "feature_extractor": AutoFeatureExtractor.from_pretrained,
        "image_processor": partial(AutoImageProcessor.from_pretrained, backend="pil"),
        "tokenizer": AutoTokenizer.from_pretrained,
        "video_processor": lambda *_, **__: _NoVideo(),
    }
    if not set(kind.get_attributes()) <= set(loaders):
        raise without_torchvision(source)
    parts = {
        part: loaders[part](source.place, config=config, **source.options)
        for part in kind.get_attributes()
    }
    settings, _ = kind.get_processor_dict(source.place, **source.options)
    taken = inspect.signature(kind.__init__).parameters
    settings = {name: value for name, value in settings.items() if name in taken}
    return _image_only(kind)(**(settings | parts))


def _image_only(kind: Any) -> Any:
    """A processor class that takes `_NoVideo` where it insists on what videos need."""

    class ImageOnly(kind):  # type: ignore[misc]
        def __init__(self, **given: Any) -> None:
            try:
                super().__init__(**given)
            except ImportError:
                # A package for videos is missing, which is looked for last. What is left to do is
                # what all processors do.
                parts = {name: given[name] for name in kind.get_attributes()}
                start: Any = ProcessorMixin.__init__
                start(self, chat_template=given.get("chat_template"), **parts)

        @classmethod
        def get_attributes(cls) -> list[str]:
            return list(kind.get_attributes())  # of `__init__`, which is another one here

        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if isinstance(argument, _NoVideo):
                return None
            return super().check_argument_for_proper_class(argument_name, argument)

    ImageOnly.__name__ = kind.__name__
    return ImageOnly


class _NoVideo:
    """Stands where a video processor would."""

    model_input_names: Sequence[str] = ()
