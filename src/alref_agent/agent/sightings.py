"""Candidates in words: what, how sure, where, how large, and how it moves from frame to frame.

For prompts whose LLM has no eyes, and for what others are told beside the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from alref_agent.agent.boxes import iou
from alref_agent.types import Detections, Floats

_THIRDS = (1 / 3, 2 / 3)
_STILL = 0.02
"""Of the frame's diagonal: what moves less stands still."""
_SAME_SIZE = 1.25
"""Ratio of areas within which the size has not changed."""
_NEAR = 0.25
"""Of the diagonal: boxes of one phrase that are no further apart may be one object."""


def sightings(
    frames: Sequence[Detections], size: tuple[int, int], numbers_and_seconds: Sequence[float]
) -> list[dict[str, Any]]:
    """What is seen on each frame of a window.

    Args:
        frames: The candidates on each frame, best first.
        size: `(height, width)` of the video.
        numbers_and_seconds: When each frame is shown, in seconds.

    Returns:
        For each frame `{number, seconds, objects: [{phrase, score, place, size, motion}]}`.
    """
    said = []
    earlier: Detections | None = None
    for number, (found, seconds) in enumerate(
        zip(frames, numbers_and_seconds, strict=True), start=1
    ):
        objects = [described(found, i, size, earlier) for i in range(len(found.scores))]
        said.append({"number": number, "seconds": seconds, "objects": objects})
        earlier = found
    return said


def described(
    found: Detections, i: int, size: tuple[int, int], earlier: Detections | None
) -> dict[str, Any]:
    """One candidate in words.

    Args:
        found: The candidates on a frame.
        i: Which.
        size: `(height, width)` of the video.
        earlier: The candidates on the frame before, None on the first.
    """
    height, width = size
    x0, y0, x1, y1 = (float(v) for v in found.boxes[i])
    share = (x1 - x0) * (y1 - y0) / (height * width)
    return {
        "phrase": found.phrases[i],
        "score": round(float(found.scores[i]), 2),
        "place": _place((x0 + x1) / 2 / width, (y0 + y1) / 2 / height),
        "size": f"{_size(share)} ({max(1, round(100 * share))}% of the picture)",
        "motion": _motion(found, i, size, earlier),
    }


def _place(x: float, y: float) -> str:
    across = "left" if x < _THIRDS[0] else "right" if x > _THIRDS[1] else "middle"
    down = "upper" if y < _THIRDS[0] else "lower" if y > _THIRDS[1] else ""
    return f"{down} {across}".strip()


def _size(share: float) -> str:
    return (
        "tiny"
        if share < 0.01
        else "small"
        if share < 0.05
        else "medium"
        if share < 0.2
        else ("large")
    )


def _motion(found: Detections, i: int, size: tuple[int, int], earlier: Detections | None) -> str:
    if earlier is None:
        return "first seen"
    diagonal = float(np.hypot(*size))
    box = found.boxes[i]
    alike = [j for j in range(len(earlier.scores)) if earlier.phrases[j] == found.phrases[i]]
    near = [j for j in alike if _apart(box, earlier.boxes[j]) <= _NEAR * diagonal]
    if not near:
        return "new"
    before = earlier.boxes[
        max(near, key=lambda j: (iou(box, earlier.boxes[j]), -_apart(box, earlier.boxes[j])))
    ]
    dx, dy = (box[:2] + box[2:] - before[:2] - before[2:]) / 2
    ways = []
    if abs(dx) > _STILL * diagonal:
        ways.append("right" if dx > 0 else "left")
    if abs(dy) > _STILL * diagonal:
        ways.append("down" if dy > 0 else "up")
    said = [f"moves {' and '.join(ways)}" if ways else "stands still"]
    ratio = float(np.prod(box[2:] - box[:2]) / max(np.prod(before[2:] - before[:2]), 1e-6))
    if ratio > _SAME_SIZE:
        said.append("grows")
    elif ratio < 1 / _SAME_SIZE:
        said.append("shrinks")
    return ", ".join(said)


def _apart(a: Floats, b: Floats) -> float:
    return float(np.hypot(*((a[:2] + a[2:] - b[:2] - b[2:]) / 2)))
