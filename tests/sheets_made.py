"""Frames to make contact sheets of, and what is asked of the sheets."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from alref_agent.media.boxes_drawn import Rect
from alref_agent.media.sheet import contact_sheets, encode_jpeg
from alref_agent.media.sheet_drawn import Sheet
from alref_agent.media.sheet_layout import Layout
from alref_agent.types import Floats, Frame

LAYOUTS: tuple[Layout, ...] = ("vertical", "horizontal", "grid", "separate")
SIZES = [(480, 854), (854, 480), (100, 2000), (2000, 100), (10, 2000), (2160, 3840), (48, 64)]
SIZES += [(16, 16), (1, 1)]


def noisy(n: int, size: tuple[int, int]) -> list[Frame]:
    """Frames with edges of all colours, which are hard to read numbers and lines on."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (n, 12, 12, 3), np.uint8)
    return [
        np.array(Image.fromarray(s).resize((size[1], size[0]), Image.Resampling.NEAREST))
        for s in small
    ]


def boxes(*xyxy: tuple[float, float, float, float]) -> Floats:
    return np.array(xyxy, np.float32).reshape(-1, 4)


def one(frames: list[Frame], layout: Layout = "vertical", **options: object) -> Sheet:
    (sheet,) = contact_sheets(frames, layout, **options)  # type: ignore[arg-type]
    return sheet


def through_jpeg(pixels: Frame, quality: int = 60) -> Frame:
    with Image.open(io.BytesIO(encode_jpeg(pixels, quality))) as image:
        return np.array(image)


def part(pixels: Frame, rect: Rect) -> Frame:
    return pixels[rect[1] : rect[3], rect[0] : rect[2]]


def apart(one: Rect, other: Rect) -> bool:
    return any(one[axis + 2] <= other[axis] or other[axis + 2] <= one[axis] for axis in (0, 1))
