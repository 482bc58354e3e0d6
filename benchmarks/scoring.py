"""What the benchmarks share: where sequences laid out as DAVIS-2016 lie, and J and F of masks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from alref_agent.evaluation.boundary import boundary_accuracy
from alref_agent.evaluation.region import region_similarity
from alref_agent.types import Mask


def level(folder: Path) -> Path:
    """The folder itself, or its level `480p` where there is one."""
    return folder / "480p" if (folder / "480p").is_dir() else folder


def truths_in(folder: Path, obj_id: int | None = None) -> list[Mask]:
    """The annotations of all frames: one object's of label maps, or whatever is not black."""
    masks = []
    for file in sorted(folder.glob("*.png")):
        picture = Image.open(file)
        if obj_id is None:
            masks.append(np.asarray(picture.convert("L")) > 0)
        else:
            masks.append(np.asarray(picture) == obj_id)
    return masks


def score(masks: Iterable[Mask], truths: Iterable[Mask]) -> tuple[float, float]:
    """Mean J and mean F over all frames, by the official definitions.

    Raises:
        ValueError: There are not as many masks as truths.
    """
    j, f = [], []
    for mask, truth in zip(masks, truths, strict=True):
        j.append(region_similarity(mask, truth))
        f.append(boundary_accuracy(mask, truth))
    return float(np.mean(j)), float(np.mean(f))
