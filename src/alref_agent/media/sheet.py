"""Pictures for an LLM: numbered frames joined into one, candidate boxes with their numbers."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import cv2
import numpy as np
from PIL import Image

from alref_agent.media.palette import colour
from alref_agent.media.text import disc, label, paste
from alref_agent.types import Floats, Frame

Layout: TypeAlias = Literal["vertical", "horizontal", "grid"]


def contact_sheet(
    frames: Sequence[tuple[int, Frame]], layout: Layout = "vertical", max_side: int = 2048
) -> Frame:
    """Join numbered frames into one picture.

    Args:
        frames: Number and RGB frame, `(H, W, 3)` uint8, of one size; the number stands in a disc in
            the frame's upper-left corner.
        layout: One below the other, side by side, or in rows and columns about as wide as high.
        max_side: Pixels that neither side of the sheet exceeds; frames are shrunk, never enlarged.

    Returns:
        RGB, `(H', W', 3)` uint8.
    """
    if not frames:
        raise ValueError("a contact sheet needs at least one frame")
    height, width = frames[0][1].shape[:2]
    if any(f.shape != (height, width, 3) for _, f in frames):
        raise ValueError(f"frames of one size expected, got {sorted({f.shape for _, f in frames})}")
    columns = _columns(len(frames), height, width, layout)
    rows = math.ceil(len(frames) / columns)
    gap = max(2, max_side // 512) if len(frames) > 1 else 0
    scale = min(
        1.0,
        (max_side - gap * (columns - 1)) / (columns * width),
        (max_side - gap * (rows - 1)) / (rows * height),
    )
    w, h = max(1, int(width * scale)), max(1, int(height * scale))
    sheet = np.full(
        (rows * h + gap * (rows - 1), columns * w + gap * (columns - 1), 3), 255, np.uint8
    )
    size = _disc_size(h, w)
    inset = max(1, size // 8)
    for place, (number, frame) in enumerate(frames):
        top, left = (place // columns) * (h + gap), (place % columns) * (w + gap)
        small = frame if scale == 1 else cv2.resize(frame, (w, h), interpolation=cv2.INTER_AREA)
        cell = sheet[top : top + h, left : left + w]
        cell[:] = small
        picture, opacity = disc(number, size)
        paste(cell, picture, inset, inset, opacity)
    return sheet


def draw_boxes(frame: Frame, boxes: Floats, labels: Sequence[str]) -> Frame:
    """Draw candidate boxes in green, magenta, orange, blue, red, yellow, each with its label.

    Args:
        frame: RGB, `(H, W, 3)` uint8; not changed.
        boxes: `(N, 4)` float32, xyxy in pixels.
        labels: `N` short texts, usually numbers.

    Returns:
        RGB, `(H, W, 3)` uint8.
    """
    if len(labels) != len(boxes):
        raise ValueError(f"{len(boxes)} labels expected, got {len(labels)}")
    height, width = frame.shape[:2]
    line = max(2, round(min(height, width) / 160))
    size = max(12, round(min(height, width) / 14))
    picture = frame.copy()
    corners = [_inside(box, height, width, line // 2 + 1) for box in boxes]
    for number, (left, top, right, bottom) in enumerate(corners):
        # A dark rim keeps a green box visible on grass.
        cv2.rectangle(picture, (left, top), (right, bottom), (0, 0, 0), line + 2)
        cv2.rectangle(picture, (left, top), (right, bottom), colour(number), line)
    taken: list[tuple[int, int, int, int]] = []
    for number, (left, top, right, bottom) in enumerate(corners):
        words = label(labels[number], size, colour(number), width)
        tall, wide = words.shape[:2]
        x, y = _label_place(taken, (left, top, right, bottom), (wide, tall), (width, height))
        taken.append((x, y, wide, tall))
        paste(picture, words, x, y)
    return picture


def encode_jpeg(frame: Frame, quality: int = 90) -> bytes:
    """JPEG of an RGB frame, without subsampled colour, which blurs thin coloured lines."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def encode_png(frame: Frame) -> bytes:
    """PNG of an RGB frame."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _columns(n: int, height: int, width: int, layout: Layout) -> int:
    if layout == "vertical":
        return 1
    if layout == "horizontal":
        return n

    def worst(columns: int) -> tuple[float, int]:
        wide, high = columns * width, math.ceil(n / columns) * height
        return max(wide, high), columns

    # The smaller the longer side of the whole, the larger each frame.
    return min(range(1, n + 1), key=worst)


def _disc_size(height: int, width: int) -> int:
    """An eighth of the frame, legible in a small one and no hindrance in a long, thin one."""
    return min(max(22, round(math.sqrt(height * width) / 8)), max(min(height, width) - 2, 8))


def _inside(box: Floats, height: int, width: int, rim: int) -> tuple[int, int, int, int]:
    """Whole pixels, so far inside the picture that a line of twice `rim` is seen."""
    x0, y0, x1, y1 = (round(float(v)) for v in box)
    low, right, bottom = rim, max(width - 1 - rim, rim), max(height - 1 - rim, rim)
    left, top = min(max(x0, low), right), min(max(y0, low), bottom)
    return left, top, min(max(x1, left), right), min(max(y1, top), bottom)


def _label_place(
    taken: list[tuple[int, int, int, int]],
    box: tuple[int, int, int, int],
    size: tuple[int, int],
    picture: tuple[int, int],
) -> tuple[int, int]:
    """Where a label covers no other: at a corner of its box, rather outside it than inside."""
    (left, top, right, bottom), (wide, tall), (width, height) = box, size, picture
    spots = [(x, y) for y in (top - tall, top, bottom, bottom - tall) for x in (left, right - wide)]
    clipped = [
        (min(max(x, 0), max(width - wide, 0)), min(max(y, 0), max(height - tall, 0)))
        for x, y in spots
    ]

    def covered(spot: tuple[int, int]) -> int:
        x, y = spot
        return sum(
            max(0, min(x + wide, a + w) - max(x, a)) * max(0, min(y + tall, b + h) - max(y, b))
            for a, b, w, h in taken
        )

    return min(clipped, key=covered)
