"""From a source to a model on a device, or one line that says what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import transformers
from transformers import AutoConfig, PreTrainedConfig

from alref_agent.errors import ModelError
from alref_agent.weights.catalogue import backend_of
from alref_agent.weights.devices import out_of_memory
from alref_agent.weights.layout import problem
from alref_agent.weights.quiet import quiet
from alref_agent.weights.source import WEIGHTS, Source

T = TypeVar("T")


def find_weights(
    model: str, kinds: Collection[str], what: str, *, whole: bool = True
) -> tuple[Source, PreTrainedConfig]:
    """Where a model lies, and its settings; its weights are not read.

    Args:
        model: A hub id (with `@revision`) or a folder.
        kinds: The `model_type`s that will do.
        what: What the model should be: `a detector of the kind grounding-dino`.
        whole: Whether its weights are needed too, and not only its settings and words.

    Raises:
        ModelError: It is not there, cannot be reached, is of another kind, or not whole.
        MissingPackageError: A package that reads it is not installed.
    """
    with quiet():
        source = Source.parse(model, WEIGHTS).found()
        settings: PreTrainedConfig = read_part(source, AutoConfig.from_pretrained)
    if settings.model_type not in kinds:
        other = backend_of(settings.model_type)
        fits = f"it is one for {other}; " if other else ""
        raise ModelError(
            f"{source.called} is a model of the kind {settings.model_type!r}, not {what}: {fits}"
            f"take one of the kind {' or '.join(repr(kind) for kind in kinds)}; "
            "`alref-agent models list` shows some."
        )
    # Before anything is done, rather than when it is loaded.
    if whole and source.folder and (said := problem(source.folder, None)):
        raise ModelError(f"{source.called} is not whole: {said}: {source.again}.")
    return source, settings


def read_part(source: Source, reader: Callable[..., T], **options: Any) -> T:
    """A part of a model (its settings, its tokenizer) by its `from_pretrained`.

    Raises:
        ModelError: It is not there, or broken.
        MissingPackageError: A package that reads it is not installed.
    """
    try:
        with quiet():
            return reader(source.place, **source.options, **options)
    # What is broken shows as an exception of any class.
    except Exception as error:
        raise source.explained(error) from error


def load_weights(
    kind: Any,
    source: Source,
    settings: PreTrainedConfig,
    device: torch.device,
    dtype: torch.dtype,
    remedy: str,
) -> Any:
    """A model of a class, whole, on a device, ready to be asked.

    Args:
        kind: The class of transformers.
        source: Where it lies.
        settings: Its settings, which may differ from those beside the weights in sizes of pictures.
        device: Where it shall be.
        dtype: The numbers that it shall compute with.
        remedy: What to do where memory is too small; see `full_memory_explained`.

    Raises:
        ModelError: Weights are missing or broken, or do not fit in memory.
        MissingPackageError: A package that the model needs is not installed.
    """
    with full_memory_explained(source.called, device, remedy):
        try:
            with quiet():
                model, report = kind.from_pretrained(
                    source.place,
                    config=settings,
                    dtype=dtype,
                    output_loading_info=True,
                    **source.options,
                )
        except Exception as error:
            if out_of_memory(error):
                raise
            raise source.explained(error) from error
        missing = sorted(report.get("missing_keys", ()))
        if missing:  # they are random: its answers would be too, and nobody would know why
            raise ModelError(
                f"{source.called}: {len(missing)} of its weights are missing ({missing[0]}, …): "
                f"{source.again}."
            )
        return model.to(device).eval()


def described(kind: Any, source: Source, device: torch.device, dtype: torch.dtype) -> str:
    """A model for the record: which code, which weights, which numbers, where."""
    numbers = str(dtype).removeprefix("torch.")
    return (
        f"{kind.__name__} {source.answers_as} (transformers {transformers.__version__}, "
        f"torch {torch.__version__}, {device.type} {numbers})"
    )


@contextmanager
def full_memory_explained(called: str, device: torch.device, remedy: str) -> Iterator[None]:
    """One line instead of the trace of an allocation that failed.

    Args:
        called: The model, in words.
        device: Whose memory it is.
        remedy: What to do, as an imperative: `take a smaller model, or …`.

    Raises:
        ModelError: The block ran out of memory.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise ModelError(f"{called} does not fit into the memory of {device}: {remedy}.") from error
