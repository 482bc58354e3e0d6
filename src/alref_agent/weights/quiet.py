"""Keeping transformers out of a run's own output; what matters of its words is an error here."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from logging import CRITICAL
from typing import Any

from huggingface_hub import logging as hub_logging
from huggingface_hub.utils import (  # type: ignore[attr-defined]
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)
from transformers.utils import logging


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings and no bars, except of a download: a person would wait minutes without a sign."""
    said, hub_said = logging.get_verbosity(), hub_logging.get_verbosity()
    bars, hub_bars = logging.is_progress_bar_enabled(), not are_progress_bars_disabled()
    logging.set_verbosity(CRITICAL)
    hub_logging.set_verbosity(CRITICAL)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    if hub_bars and sys.stderr.isatty():
        enable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(said)
        hub_logging.set_verbosity(hub_said)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
        (enable_progress_bars if hub_bars else disable_progress_bars)()


@contextmanager
def hushed() -> Iterator[None]:
    """Nothing that this thread writes to the standard error; for bars that cannot be turned off."""
    stream = _Hushed(sys.stderr)
    sys.stderr = stream
    try:
        yield
    finally:
        stream.thread = None
        if sys.stderr is stream:
            sys.stderr = stream.inner


class _Hushed:
    """Another stream, on which one thread's words are lost and those of all others are not."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.thread: int | None = threading.get_ident()

    def write(self, text: str) -> int:
        if threading.get_ident() == self.thread:
            return len(text)
        return int(self.inner.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)
