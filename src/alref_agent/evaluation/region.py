"""Region similarity J: how well two masks overlap, by the definition of the DAVIS benchmark.

Source: Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object
Segmentation" (CVPR 2016); what its official code leaves to the reader is settled as that code
does it (davisvideochallenge/davis2017-evaluation).
"""

from __future__ import annotations

import numpy as np

from alref_agent.types import Mask


def region_similarity(prediction: Mask, truth: Mask, void: Mask | None = None) -> float:
    """Intersection over union on one frame, in [0, 1].

    Args:
        prediction: `(H, W)` bool.
        truth: `(H, W)` bool.
        void: `(H, W)` bool; pixels that count neither for nor against. None: no such pixels.

    Returns:
        `|P and G| / |P or G|` outside void; 1 where both are empty there.

    Raises:
        ValueError: The shapes differ, or a mask is not bool.
    """
    check_masks(prediction, truth, void)
    both, either = prediction & truth, prediction | truth
    if void is not None:
        both, either = both & ~void, either & ~void
    union = int(np.count_nonzero(either))
    return int(np.count_nonzero(both)) / union if union else 1.0


def check_masks(prediction: Mask, truth: Mask, void: Mask | None) -> None:
    """Refuse masks that cannot be compared.

    Raises:
        ValueError: The shapes differ, or a mask is not bool.
    """
    for name, mask in (("prediction", prediction), ("truth", truth), ("void", void)):
        if mask is None:
            continue
        if mask.dtype != np.bool_ or mask.shape != truth.shape or mask.ndim != 2:
            raise ValueError(
                f"{name}: bool {truth.shape} (H, W) expected, got {mask.dtype} {mask.shape}"
            )
