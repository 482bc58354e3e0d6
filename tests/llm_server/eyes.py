"""Eyes: decodes the pictures that were sent, and finds in their pixels what minds look for."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterable
from functools import cache
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from alref_agent.media.palette import COLOUR_NAMES
from llm_server.seen import Rgb
from sheet_reading import find_boxes, find_discs

Mask: TypeAlias = npt.NDArray[np.bool_]
MARKER = (0, 0, 255)
"""Pure blue: far from all colours that boxes are drawn in, and rare in nature."""
_TOLERANCE = 50
"""A channel's difference that JPEG or a video codec may make to a pure colour."""
_LEAST = 12
"""Pixels; fewer are noise."""


def decode(data: str, mime_type: str | None = None) -> Rgb:
    """A picture from base64.

    Raises:
        ValueError: It is not base64, or no whole picture, or not of the type that is announced.
    """
    try:
        raw = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    try:
        with Image.open(io.BytesIO(raw)) as image:
            kind = Image.MIME.get(image.format or "")
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise ValueError("not a picture") from error
    if mime_type not in (None, kind):
        raise ValueError(f"{mime_type} was announced, {kind} was sent")
    return pixels


def marker_sizes(pictures: Iterable[Rgb], colour: tuple[int, int, int] = MARKER) -> dict[int, int]:
    """Number of a frame, as its disc says, to the pixels of the marker in its cell."""
    sizes: dict[int, int] = {}
    for place, picture in enumerate(pictures, 1):
        ys, xs = np.nonzero(_coloured(picture, colour))
        discs = find_discs(picture)
        for number, _, _, _ in discs:
            sizes.setdefault(number, 0)
        if not discs:
            sizes[place] = sizes.get(place, 0) + len(xs)
            continue
        owners = _owners(discs, xs, ys)
        for row, (number, _, _, _) in enumerate(discs):
            sizes[number] += int((owners == row).sum())
    return {number: size if size >= _LEAST else 0 for number, size in sizes.items()}


def boxes_around(
    pictures: Iterable[Rgb], colour: tuple[int, int, int] = MARKER
) -> list[tuple[int, float]]:
    """Numbers of the boxes that enclose the marker, the tightest first, and the share that is it.

    A box encloses it where most of the marker that the box's frame shows lies within.
    """
    found: list[tuple[float, int]] = []
    for picture in pictures:
        mask = _coloured(picture, colour)
        ys, xs = np.nonzero(mask)
        discs = find_discs(picture)
        owners = _owners(discs, xs, ys)
        for name, (x0, y0, x1, y1) in find_boxes(picture):
            inside = (xs >= x0) & (xs < x1) & (ys >= y0) & (ys < y1)
            # Other frames of the sheet show the marker too.
            cell = _owners(discs, np.array([x0 + x1]) // 2, np.array([y0 + y1]) // 2)[0]
            here = (owners == cell).sum()
            if inside.sum() >= _LEAST and inside.sum() > 0.5 * here:
                share = float(inside.sum()) / ((x1 - x0) * (y1 - y0))
                found.append((share, COLOUR_NAMES.index(name) + 1))
    return [(number, share) for share, number in sorted(found, reverse=True)]


def boxes_drawn(pictures: Iterable[Rgb]) -> list[str]:
    """Colours of the boxes that are drawn, in the order of their numbers."""
    names = {name for picture in pictures for name, _ in find_boxes(picture)}
    return sorted(names, key=COLOUR_NAMES.index)


def frames_numbered(pictures: Iterable[Rgb]) -> list[int]:
    return sorted({number for picture in pictures for number, *_ in find_discs(picture)})


def written_number(picture: Rgb) -> str | None:
    """The number that a picture shows in large digits on a plain ground, and nothing else."""
    ground = picture[0, 0].astype(int)
    ink = (np.abs(picture.astype(int) - ground).max(axis=2) > 90).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(ink)
    glyphs = [
        (int(x), (labels[y : y + h, x : x + w] == n).astype(np.uint8))
        for n, (x, y, w, h, _) in enumerate(stats)
        if n and h > 0.1 * len(picture)
    ]
    if not 1 <= len(glyphs) <= 6:
        return None
    patterns = _digits()
    text = ""
    for _, glyph in sorted(glyphs, key=lambda g: g[0]):
        alike = [float((_squared(glyph) == pattern).mean()) for pattern in patterns]
        if max(alike) < 0.8:
            return None
        text += str(int(np.argmax(alike)))
    return text


def _coloured(picture: Rgb, colour: tuple[int, int, int]) -> Mask:
    apart = np.abs(picture.astype(np.int16) - np.array(colour, np.int16)).max(axis=2)
    return np.asarray(apart <= _TOLERANCE)


def _owners(
    discs: list[tuple[int, int, int, int]], xs: npt.NDArray[np.intp], ys: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """For each point the row in `discs` of the disc in the upper left corner of its cell."""
    owners = np.full(len(xs), -1)
    # Cells further down or further right take over what an earlier one claimed.
    for row, (_, x, y, size) in sorted(enumerate(discs), key=lambda d: (d[1][2], d[1][1])):
        owners[(xs >= x - size / 2) & (ys >= y - size / 2)] = row
    return owners


@cache
def _digits() -> list[npt.NDArray[np.uint8]]:
    patterns = []
    for digit in range(10):
        image = Image.new("L", (160, 160))
        font = ImageFont.load_default(100)
        ImageDraw.Draw(image).text((80, 80), str(digit), fill=255, font=font, anchor="mm")
        pixels = (np.asarray(image) > 127).astype(np.uint8)
        x, y, w, h = cv2.boundingRect(pixels)
        patterns.append(_squared(pixels[y : y + h, x : x + w]))
    return patterns


def _squared(glyph: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """In the middle of a square of one size, its shape kept."""
    side = max(glyph.shape)
    square = np.zeros((side, side), np.uint8)
    top, left = (side - glyph.shape[0]) // 2, (side - glyph.shape[1]) // 2
    square[top : top + glyph.shape[0], left : left + glyph.shape[1]] = glyph * 255
    shrunk = cv2.resize(square, (32, 32), interpolation=cv2.INTER_AREA)
    return (shrunk > 127).astype(np.uint8)
