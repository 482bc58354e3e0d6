"""A frame as a picture for an LLM that says where things are in it.

An LLM that answers in pixels means those of the picture which it saw, and its processor resizes
pictures first. Qwen2.5-VL's makes both sides multiples of 28 and keeps the number of pixels within
limits (`smart_resize`, https://github.com/QwenLM/Qwen3-VL/issues/931), which servers set
differently: the narrowest that we know are those of transformers' `Qwen2VLImageProcessor`, 3,136
and 1,003,520 pixels. A frame is scaled to such a size here, so that the processor keeps the picture
as it was sent, and pixels of the one are pixels of the other. Width and height are scaled apart, by
at most half a multiple, as the processor would.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from alref_agent.media.sheet import JPEG, encode_jpeg, pixel_digest
from alref_agent.providers.messages import Picture
from alref_agent.types import Frame

PATCH = 28
"""Pixels: sides of a picture for an LLM that answers in pixels are multiples of this."""
LEAST_PIXELS = 4 * PATCH * PATCH
MOST_PIXELS = 1280 * PATCH * PATCH
_QUALITIES = (90, 80, 70)
_SMALLER = 0.85
_LEAST_SIDE = 4 * PATCH
"""Pixels; a picture whose longest side is this small is taken however many bytes it has."""


def size_as_sent(size: tuple[int, int], max_side: int, in_pixels: bool) -> tuple[int, int]:
    """`(height, width)` of the picture of a frame; frames are shrunk, never enlarged for its sake.

    Args:
        size: `(height, width)` of the frame.
        max_side: The longest side of the picture.
        in_pixels: Whether the answer comes in pixels, so that a processor must keep the size.
    """
    height, width = size
    factor = min(1.0, max_side / max(size))
    if not in_pixels:
        return max(1, round(height * factor)), max(1, round(width * factor))
    factor = min(factor, math.sqrt(MOST_PIXELS / (height * width)))
    most = max(1, max_side // PATCH)
    # Nearest multiples; where they come to too many pixels, those below.
    rows, columns = (min(most, max(1, round(side * factor / PATCH))) for side in size)
    while rows * columns * PATCH * PATCH > MOST_PIXELS:
        rows, columns = (rows - 1, columns) if rows >= columns else (rows, columns - 1)
    while rows * columns * PATCH * PATCH < LEAST_PIXELS:
        rows, columns = (rows + 1, columns) if rows < columns else (rows, columns + 1)
    return rows * PATCH, columns * PATCH


def picture_of(frame: Frame, max_side: int, max_bytes: int, in_pixels: bool) -> Picture:
    """A frame as it is sent, at the best quality, and if none the largest size, that fits.

    Args:
        frame: RGB uint8 `(H, W, 3)`.
        max_side: The longest side in pixels.
        max_bytes: The most bytes of the file.
        in_pixels: See `size_as_sent`.
    """
    side = max_side
    while True:
        height, width = size_as_sent((frame.shape[0], frame.shape[1]), side, in_pixels)
        pixels = _resized(frame, height, width)
        for quality in _QUALITIES:
            data = encode_jpeg(pixels, quality)
            if len(data) <= max_bytes:
                break
        longest = max(height, width)
        if len(data) <= max_bytes or longest <= _LEAST_SIDE:
            return Picture(
                data=data,
                mime_type=JPEG,
                digest=pixel_digest(pixels, JPEG, quality),
                size=(height, width),
            )
        side = max(_LEAST_SIDE, int(longest * _SMALLER))


def _resized(frame: Frame, height: int, width: int) -> Frame:
    if frame.shape[:2] == (height, width):
        return frame
    smooth = cv2.INTER_AREA if height * width < frame.shape[0] * frame.shape[1] else cv2.INTER_CUBIC
    resized = cv2.resize(frame, (width, height), interpolation=smooth)
    return np.asarray(resized, np.uint8)
