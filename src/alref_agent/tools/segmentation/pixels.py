"""Frames, boxes, points and masks as SAM 2 takes them, with torch alone.

The reference transforms are those of the processors of transformers and of the `sam2` package,
which need torchvision; `tests/test_pixels.py` holds values that they gave.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from alref_agent.tools.segmentation.cues import Cue
from alref_agent.types import Frame, Mask

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue, with which SAM 2 and EdgeTAM were trained."""


def pixels(frame: Frame, side: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """A frame as the image encoder takes it: `(1, 3, side, side)`.

    The ratio of its sides is not kept.

    Args:
        frame: RGB uint8 `(H, W, 3)`.
        side: In pixels.
        device: Where it is worked on.
        dtype: Of the result.
    """
    picture = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None]
    # Bytes are resized to bytes, as by the reference; only a CPU can.
    square = F.interpolate(
        picture, (side, side), mode="bilinear", align_corners=False, antialias=True
    )
    square = square.to(device).float() / 255
    mean = torch.tensor(MEAN, device=device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=device).view(1, 3, 1, 1)
    return ((square - mean) / std).to(dtype)


def square_mask(mask: Mask, side: int, device: torch.device) -> torch.Tensor:
    """A mask as a prompt: `(1, 1, side, side)` float32 of 0 and 1, not all 0."""
    whole = torch.from_numpy(np.ascontiguousarray(mask)).float()[None, None]
    soft = F.interpolate(whole, (side, side), mode="bilinear", align_corners=False, antialias=True)
    # Of a mask that is smaller than a pixel of the square, the pixel that has most of it.
    return (soft >= soft.max().clamp(max=0.5)).float().to(device)


def points(
    cue: Cue, side: int, size: tuple[int, int], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """The box and the points of a cue: coordinates and what each of them is.

    Args:
        cue: Without a mask.
        side: Of the square that frames are resized to, in pixels.
        size: `(H, W)` of the video.
        device: Where the result shall be.

    Returns:
        `(1, 1, N, 2)` float32 xy in pixels of the square, and `(1, 1, N)` int32: 2 and 3 for the
        corners of the box, which come first, 1 for a point on the object, 0 for one beside it.
    """
    edge = np.array([size[1], size[0]], np.float32)
    # A detector's box may reach beyond the picture; there is nothing there to point at.
    corners = [] if cue.box is None else [np.clip(cue.box.reshape(2, 2), 0, edge)]
    kinds = [] if cue.box is None else [2, 3]
    scale = np.float32(side) / edge
    coordinates = np.concatenate([*corners, cue.points]) * scale
    labels = np.array([*kinds, *cue.labels.astype(int)], np.int32)
    return (
        torch.from_numpy(coordinates.astype(np.float32)).to(device)[None, None],
        torch.from_numpy(labels).to(device)[None, None],
    )


def full_size(logits: torch.Tensor, size: tuple[int, int]) -> Mask:
    """The mask at video resolution.

    Args:
        logits: `(h, w)`: above 0 where the object is.
        size: `(H, W)`.
    """
    grown = F.interpolate(logits.float()[None, None], size, mode="bilinear", align_corners=False)
    mask: Mask = (grown[0, 0] > 0).cpu().numpy()
    return mask
