"""What DAVIS reports of a measure over the frames of one object: mean, recall, decay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Statistics:
    """Of one measure (J or F) over the frames of one object."""

    mean: float
    recall: float
    """Share of frames with a value above 0.5."""
    decay: float
    """Mean of the first quarter of the frames less that of the last; high: it got worse."""


def statistics(per_frame: Sequence[float]) -> Statistics:
    """Mean, recall and decay of the values of all frames.

    The official code keeps the edges of the quarters in 8 bits, so that its decay is wrong or
    NaN from 256 frames on; here it is what was meant.

    Raises:
        ValueError: There is no value.
    """
    values = np.asarray(per_frame, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"values of at least one frame expected, got shape {values.shape}")
    edges = (np.round(np.linspace(1, len(values), 5) + 1e-10) - 1).astype(np.int64)
    first = values[edges[0] : edges[1] + 1]
    last = values[edges[3] : edges[4] + 1]
    return Statistics(
        mean=float(values.mean()),
        recall=float((values > 0.5).mean()),
        decay=float(first.mean() - last.mean()),
    )
