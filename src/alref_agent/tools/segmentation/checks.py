"""Prompts that no segmenter can follow, refused in one line before any work is done."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alref_agent.errors import ConfigError
from alref_agent.types import Prompt, Video


def check_prompts(video: Video, prompts: Sequence[Prompt]) -> None:
    """Refuse what does not fit the video.

    Raises:
        ConfigError: A frame that is not there; a box that is upside down, has no area or misses the
            picture; a point beside the picture; a mask of another size, or with nothing in it.
    """
    for prompt in prompts:
        if reason := _problem(video, prompt):
            raise ConfigError(
                f"segment_video: object {prompt.obj_id}, frame {prompt.frame_idx}: {reason}"
            )


def _problem(video: Video, prompt: Prompt) -> str | None:
    width, height = video.width, video.height
    frame = f"the frame, which is {width} x {height}"
    if not 0 <= prompt.frame_idx < video.n_frames:
        return f"the video has frames 0 to {video.n_frames - 1}."
    if prompt.box is not None:
        x0, y0, x1, y1 = (float(v) for v in prompt.box)
        numbers = f"[{x0:g}, {y0:g}, {x1:g}, {y1:g}]"
        if not np.isfinite(prompt.box).all() or not (x0 < x1 and y0 < y1):
            return f"a box is x0 < x1, y0 < y1, got {numbers}."
        if x0 >= width or y0 >= height or x1 <= 0 or y1 <= 0:
            return f"the box {numbers} lies outside {frame}."
    if prompt.points is not None:
        inside = (prompt.points >= 0) & (prompt.points < (width, height))
        if not inside.all():
            x, y = prompt.points[~inside.all(axis=1)][0].tolist()
            return f"the point ({x:g}, {y:g}) lies outside {frame}."
    if prompt.mask is not None:
        if prompt.mask.shape != (height, width):
            size = f"{prompt.mask.shape[1]} x {prompt.mask.shape[0]}"
            return f"its mask is {size}, unlike {frame}."
        if not prompt.mask.any():
            return "its mask is empty."
    return None
