"""Whatever a file stores, as RGB uint8."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from alref_agent.types import Frame


def to_rgb(frame: VideoFrame, width: int, height: int, quarter_turns: int = 0) -> Frame:
    """A decoded frame of any pixel format, depth and size.

    Args:
        frame: What the decoder gave.
        width: Columns to have before turning; a stream that changes its size is resized.
        height: Rows to have before turning.
        quarter_turns: Counter-clockwise, from the rotation metadata.
    """
    has_alpha = frame.format.has_palette or any(c.is_alpha for c in frame.format.components)
    name = "rgba" if has_alpha else "rgb24"
    converted = frame.reformat(width=width, height=height, format=name).to_ndarray()
    pixels: Frame = converted.astype(np.uint8, copy=False)
    if has_alpha:
        pixels = over_black(pixels)
    if quarter_turns:
        pixels = np.rot90(pixels, quarter_turns)
    return np.ascontiguousarray(pixels)


def over_black(rgba: npt.NDArray[np.uint8]) -> Frame:
    """Put `(H, W, 4)` on black, as players do: what alpha hides may hold anything."""
    alpha = rgba[..., 3:].astype(np.uint16)
    if alpha.min(initial=255) == 255:
        return np.ascontiguousarray(rgba[..., :3])
    return ((rgba[..., :3] * alpha + 127) // 255).astype(np.uint8)
