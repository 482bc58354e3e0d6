"""Colours: the palette of DAVIS mask files, and well distinguishable ones to draw with."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

COLOURS: tuple[tuple[int, int, int], ...] = (
    (0, 200, 80),
    (240, 50, 230),
    (255, 140, 0),
    (40, 120, 255),
    (235, 40, 50),
    (255, 225, 25),
    (0, 210, 220),
    (150, 80, 255),
    (170, 230, 60),
    (255, 160, 190),
    (150, 95, 40),
    (0, 130, 130),
)
"""RGB: green, magenta, orange, blue, red, yellow, then six more."""

COLOUR_NAMES = (
    "green",
    "magenta",
    "orange",
    "blue",
    "red",
    "yellow",
    "cyan",
    "violet",
    "lime",
    "rose",
    "brown",
    "teal",
)
"""What `COLOURS` are called, for words about a picture that shows them."""


def colour(number: int) -> tuple[int, int, int]:
    """RGB of the `number`-th thing drawn, counted from 0; they repeat after twelve."""
    return COLOURS[number % len(COLOURS)]


def colour_name(number: int) -> str:
    """What `colour(number)` is called in words, `green` for 0."""
    return COLOUR_NAMES[number % len(COLOURS)]


@cache
def davis_palette() -> npt.NDArray[np.uint8]:
    """`(256, 3)` RGB: the palette of PASCAL VOC, DAVIS and YouTube-VOS; entry 0 is black."""
    index = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    # Three bits of the index at a time, lowest first, become the next lower bit of R, G and B.
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= ((index >> (3 * bit + channel) & 1) << (7 - bit)).astype(
                np.uint8
            )
    palette.flags.writeable = False
    return palette
