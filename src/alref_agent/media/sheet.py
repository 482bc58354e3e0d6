"""Pictures for an LLM: numbered frames joined into contact sheets, with candidate boxes on them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from alref_agent.media.sheet_drawn import Frames, Sheet, SheetPictures, parted
from alref_agent.media.sheet_layout import Layout
from alref_agent.types import Floats, Frame

JPEG = "image/jpeg"
_QUALITIES = (85, 78, 70, 60)
"""Of JPEG, best first: below the last a smaller picture is the better one."""
_SMALLER = 0.85
"""A side of a picture, against that of the one before it which had too many bytes."""
_LEAST_SIDE = 64
"""Pixels; a picture of this size is taken however many bytes it has (hardly 10,000)."""


@dataclass(frozen=True)
class EncodedSheet:
    """A contact sheet as a file."""

    data: bytes = field(repr=False)
    mime_type: str
    digest: str
    """32 hexadecimal digits; see `pixel_digest`."""
    height: int
    width: int
    numbers: tuple[int, ...]
    """Of the frames on it."""
    quality: int
    """Of JPEG, at most 100."""


def contact_sheets(
    frames: Frames,
    layout: Layout = "vertical",
    max_side: int = 2048,
    boxes: Mapping[int, Floats] | None = None,
) -> Iterator[Sheet]:
    """Join frames, numbered from 1 in discs, and draw candidate boxes on them.

    Frames are shrunk to fit, and small ones enlarged. Discs stand in the frames' upper left
    corners, or beside frames that are too thin for them.

    Args:
        frames: RGB, `(H, W, 3)` uint8, of one size. Each is asked for once, so that memory stays
            small where they are decoded then.
        layout: One below the other, side by side, or in rows and columns about as wide as high;
            rows and columns in which frames would be too small to be seen go on in further ones.
            `separate`: a sheet each.
        max_side: Pixels that neither side of a sheet exceeds, at least 64.
        boxes: Number of a picture -> its boxes, `(N, 4)` float32, xyxy in pixels of the frame. They
            are drawn in green, magenta, orange, …, labelled 1, 2, 3, …

    Yields:
        One sheet, or as many as there are frames.
    """
    for pictures in parted(frames, layout, max_side, boxes or {}):
        yield pictures.sheet(max_side)


def encoded_sheets(
    frames: Frames,
    layout: Layout = "vertical",
    max_side: int = 2048,
    max_bytes: int = 4_000_000,
    boxes: Mapping[int, Floats] | None = None,
) -> Iterator[EncodedSheet]:
    """The same as files of at most `max_bytes`, which is at least 20,000.

    The quality goes down first, then the size; numbers and labels stay as large as they must be.
    """
    for pictures in parted(frames, layout, max_side, boxes or {}):
        yield _fitted(pictures, max_bytes)


def pixel_digest(pixels: Frame, mime_type: str, quality: int) -> str:
    """32 hexadecimal digits that change with any pixel, the kind of file and its quality.

    Not of the file's bytes, which change with the version of the encoder.
    """
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(f"{height} {width} {mime_type} {quality} ".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()[:32]


def encode_jpeg(frame: Frame, quality: int = 90) -> bytes:
    """JPEG of an RGB frame, without subsampled colour, which blurs thin coloured lines."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _fitted(pictures: SheetPictures, max_bytes: int) -> EncodedSheet:
    """The best quality, and if none the largest size, that has few enough bytes."""
    side = pictures.max_side
    while True:
        sheet = pictures.sheet(side)
        worst = encode_jpeg(sheet.pixels, _QUALITIES[-1])
        longest = max(sheet.pixels.shape)
        if len(worst) <= max_bytes or longest <= _LEAST_SIDE:
            break
        side = max(_LEAST_SIDE, int(longest * _SMALLER))
    for quality in _QUALITIES:
        data = encode_jpeg(sheet.pixels, quality)
        if len(data) <= max_bytes:
            break
    return EncodedSheet(
        data=data,
        mime_type=JPEG,
        digest=pixel_digest(sheet.pixels, JPEG, quality),
        height=sheet.pixels.shape[0],
        width=sheet.pixels.shape[1],
        numbers=tuple(place.number for place in sheet.places),
        quality=quality,
    )
