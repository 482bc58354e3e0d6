"""Inputs of the reference transforms: integers and `RandomState` only, so the same everywhere."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from alref_agent.types import Floats, Frame

KEPT = 64
"""So many values of a result are compared."""


def picture(height: int, width: int, seed: int = 0) -> Frame:
    """A gradient with a sharp rectangle, and noise."""
    y, x = np.mgrid[:height, :width]
    both = (x + y) * 255 // (height + width - 2)
    rgb = np.stack([x * 255 // (width - 1), y * 255 // (height - 1), both], -1)
    rgb[height // 4 : height // 2, width // 3 : 2 * width // 3] = (200, 40, 90)
    noise = np.random.RandomState(seed).randint(-24, 25, rgb.shape)
    return np.clip(rgb + noise, 0, 255).astype(np.uint8)


def mask_logits(side: int, seed: int = 0) -> Floats:
    """`(side, side)`: a disc and noise, in 64ths, which float32 has exactly."""
    y, x = np.mgrid[:side, :side]
    disc = (side // 3) ** 2 - (y - side // 2) ** 2 - (x - side // 2) ** 2
    noise = np.random.RandomState(seed).randint(-64, 65, (side, side))
    whole: Floats = (np.clip(disc * 64 // side, -640, 640) + noise).astype(np.float32)
    return whole / np.float32(64)


def kept(n: int) -> npt.NDArray[np.int64]:
    """Which flat positions of a result of `n` values are compared."""
    return np.random.RandomState(1).randint(0, n, KEPT)
