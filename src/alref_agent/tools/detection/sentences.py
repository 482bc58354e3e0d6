"""What GroundingDINO reads and what its scores of words mean, whoever's code computes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alref_agent.errors import ConfigError
from alref_agent.tools.detection.open_vocabulary import caption
from alref_agent.tools.detection.selection import Limits, corners, select
from alref_agent.types import Detections, Floats, Frame


@dataclass(frozen=True, eq=False)
class Sentence:
    """An expression, as the network reads it."""

    caption: str
    """One phrase that ends with a full stop."""
    inputs: dict[str, Any]
    """`input_ids` and so on, `(1, T)` tensors each."""
    known: bool
    """Whether the model knows any word of it."""
    words: tuple[int | None, ...]
    """`T`: of which word each token is a part; None for those that are no part of the phrase."""
    spans: tuple[tuple[int, int], ...]
    """Where each word stands in the caption."""

    def phrase(self, tokens: Sequence[int]) -> str:
        """The words that these tokens belong to; all words where there are none."""
        chosen = sorted({word for i in tokens if (word := self.words[i]) is not None})
        runs: list[list[int]] = []
        for word in chosen or range(len(self.spans)):
            if runs and word == runs[-1][-1] + 1:
                runs[-1].append(word)
            else:
                runs.append([word])
        return " ".join(self.caption[self.spans[r[0]][0] : self.spans[r[-1]][1]] for r in runs)


def read(expression: str, tokenizer: Any, most: int, called: str) -> Sentence:
    """An expression -> tokens, and the words that they are parts of.

    Args:
        expression: With at least one word.
        tokenizer: A fast one of transformers.
        most: So many tokens are read.
        called: The model, for messages.

    Raises:
        ConfigError: It is longer than that.
    """
    written = caption(expression) + "."
    # Else it warns of what is too long, on the standard error.
    encoded = tokenizer(written, return_tensors="pt", return_token_type_ids=True, verbose=False)
    n_tokens = encoded["input_ids"].shape[1]
    if n_tokens > most:
        raise ConfigError(
            f"The expression {written[:40]!r}… is too long: it has {n_tokens} tokens, and "
            f"{called} reads {most} at most. Shorten it."
        )
    words = encoded.word_ids(0)
    spans = [encoded.word_to_chars(0, word) for word in dict.fromkeys(words) if word is not None]
    stop = len(spans) - 1
    ids = encoded["input_ids"][0].tolist()
    inner = [token for token, word in zip(ids, words, strict=True) if word not in (None, stop)]
    return Sentence(
        written,
        dict(encoded),
        any(token != tokenizer.unk_token_id for token in inner),
        tuple(None if word == stop else word for word in words),
        tuple((span.start, span.end) for span in spans[:stop]),
    )


def candidates(
    sentence: Sentence,
    chances: Floats,
    boxes: Floats,
    frame_idx: int,
    frame: Frame,
    limits: Limits,
    text_threshold: float,
) -> Detections:
    """The candidates for a sentence on a frame; a box's score is that of its best word.

    Args:
        sentence: What was read.
        chances: `(N, T)`: how well each token fits each box, in [0, 1].
        boxes: `(N, 4)`, as networks give them; see `corners`.
        frame_idx: The frame's.
        frame: Its picture.
        limits: Which boxes are kept.
        text_threshold: The least score of a word that counts to a box's phrase.
    """
    height, width = frame.shape[:2]
    scores: Floats = chances.max(axis=1)
    kept, which = select(corners(boxes, width, height), scores, height, width, limits)
    phrases = tuple(
        sentence.phrase(np.flatnonzero(row >= text_threshold).tolist()) for row in chances[which]
    )
    return Detections(frame_idx, kept, scores[which], phrases, np.zeros(len(which), np.int32))
