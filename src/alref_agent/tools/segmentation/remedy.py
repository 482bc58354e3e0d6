"""What to do where a learned segmenter finds no room in memory."""

from __future__ import annotations

from alref_agent.sections import SegmenterConfig

_SMALL = 512
"""Pixels: the size of pictures that is offered."""


def remedy(settings: SegmenterConfig, in_use: str, smallest: str) -> str:
    """Half a sentence, an imperative.

    What a run has done is kept for `--resume` only where its answer does not depend on the change.

    Args:
        settings: Those that were too much.
        in_use: The model.
        smallest: The smallest one of its kind.
    """
    ways = []
    if settings.offload == "none":
        ways.append("go on with --resume --set segmenter.offload=cpu")
    smaller = []
    if in_use != smallest:
        smaller.append(f"a smaller model (--set segmenter.model={smallest})")
    if settings.image_size is None or settings.image_size > _SMALL:
        smaller.append(f"smaller pictures (--set segmenter.image_size={_SMALL})")
    if smaller:
        ways.append(f"begin again with {' or '.join(smaller)}")
    return ", or ".join(ways) or "take another machine, or segmenter.name=flow"
