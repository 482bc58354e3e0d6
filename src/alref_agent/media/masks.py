"""Masks as run lengths, as label maps and as PNG files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from pycocotools import mask as coco_mask

from alref_agent.errors import ConfigError, VideoError
from alref_agent.media.atomic import whole_file
from alref_agent.media.palette import davis_palette
from alref_agent.types import Mask

MAX_OBJECTS = 255
"""What a palette PNG can tell apart; 0 is the background."""


@dataclass(frozen=True)
class Rle:
    """A mask as COCO's compressed run lengths: small enough to keep one for every frame."""

    height: int
    width: int
    counts: bytes

    @property
    def area(self) -> int:
        """Pixels set."""
        return int(coco_mask.area(self._coco()))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, width, height in pixels; zeros for an empty mask."""
        x, y, w, h = (int(v) for v in coco_mask.toBbox(self._coco()))
        return x, y, w, h

    def _coco(self) -> dict[str, object]:
        return {"size": [self.height, self.width], "counts": self.counts}


def encode_rle(mask: Mask) -> Rle:
    """Pack a mask.

    Args:
        mask: `(H, W)` bool.
    """
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ValueError(f"mask: bool (H, W) expected, got {mask.dtype} {mask.shape}")
    packed = coco_mask.encode(np.asfortranarray(mask.view(np.uint8)))
    return Rle(height=mask.shape[0], width=mask.shape[1], counts=packed["counts"])


def decode_rle(rle: Rle) -> Mask:
    """The mask, `(H, W)` bool."""
    mask: npt.NDArray[np.uint8] = coco_mask.decode(rle._coco())
    # COCO's order is column by column; everything else here is row by row.
    return np.ascontiguousarray(mask).view(np.bool_)


def label_map(
    masks: Mapping[int, Mask], size: tuple[int, int] | None = None
) -> npt.NDArray[np.uint8]:
    """One picture of several masks: 0 is background, else the `obj_id`.

    Args:
        masks: `obj_id` to mask, `(H, W)` bool all; where two overlap the higher id is kept.
        size: `(H, W)`, needed where there may be no masks.

    Raises:
        ConfigError: An `obj_id` that a byte cannot hold.
    """
    if size is None:
        size = next((m.shape for m in masks.values()), None)
    if size is None:
        raise ValueError("a label map without masks needs a size")
    labels = np.zeros(size, np.uint8)
    for obj_id in sorted(masks):
        if not 1 <= obj_id <= MAX_OBJECTS:
            raise ConfigError(
                f"Object {obj_id} cannot be written: a palette PNG tells objects 1 to "
                f"{MAX_OBJECTS} apart. Write one file an object (binary masks) instead."
            )
        mask = masks[obj_id]
        if mask.shape != tuple(size) or mask.dtype != np.bool_:
            raise ValueError(f"mask {obj_id}: bool {size} expected, got {mask.dtype} {mask.shape}")
        labels[mask] = obj_id
    return labels


def write_label_png(path: Path, labels: npt.NDArray[np.uint8]) -> None:
    """Write a palette PNG as DAVIS has them: a pixel's index is its `obj_id`.

    Args:
        path: The file to write.
        labels: `(H, W)` uint8, from `label_map`.

    Raises:
        OutputError: The file cannot be written.
    """
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise ValueError(f"labels: uint8 (H, W) expected, got {labels.dtype} {labels.shape}")
    image = Image.fromarray(labels, mode="P")
    image.putpalette(davis_palette().tobytes())
    _save(path, image)


def write_binary_png(path: Path, mask: Mask) -> None:
    """Write a grey PNG of 0 and 255.

    Args:
        path: The file to write.
        mask: `(H, W)` bool.

    Raises:
        OutputError: The file cannot be written.
    """
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ValueError(f"mask: bool (H, W) expected, got {mask.dtype} {mask.shape}")
    _save(path, Image.fromarray(mask.view(np.uint8) * np.uint8(255)))


def read_label_png(path: Path) -> npt.NDArray[np.uint8]:
    """Read a palette PNG: `(H, W)` uint8, the indices. A grey one counts as indices too.

    Raises:
        VideoError: It is missing, broken or a colour picture.
    """
    with _opened(path) as image:
        if image.mode not in ("P", "L", "1"):
            raise VideoError(f"{path} is a colour picture ({image.mode}), not a map of objects.")
        return np.array(image, np.uint8)


def read_binary_png(path: Path) -> Mask:
    """Read a mask, `(H, W)` bool: whatever is not 0, in a grey or a palette PNG, is set.

    Raises:
        VideoError: It is missing, broken or a colour picture.
    """
    mask: Mask = read_label_png(path) != 0
    return mask


def _save(path: Path, image: Image.Image) -> None:
    with whole_file(path) as beside:
        # Masks are flat: level 1 is several times faster than 6 and hardly larger.
        image.save(beside, format="PNG", compress_level=1)


def _opened(path: Path) -> Image.Image:
    try:
        image = Image.open(path)
        image.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise VideoError(f"{path} cannot be read as a mask: {error}.") from error
    return image
