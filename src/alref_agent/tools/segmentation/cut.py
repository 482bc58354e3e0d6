"""From soft evidence to a mask with edges where the picture has edges.

The cut is a minimum cut on the pixel grid: evidence on each pixel, and a cost for neighbours that
part, high where they look alike (Boykov and Jolly, "Interactive Graph Cuts", ICCV 2001). OpenCV
has the solver inside `grabCut`; here its colour models are replaced by ones that read our evidence.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from alref_agent.types import Floats, Frame, Mask

_LEVELS = 64.0
"""Evidence is written into a channel of the picture as one of this many grey levels, few enough to
count little beside real contrast."""
_WEIGHT = 10.0
"""Of one unit of log-odds, where parting two equal neighbours costs 50."""


def minimum_cut(picture: Frame, evidence: Floats, *, certain: float = 2.5) -> Mask:
    """The mask that weighs evidence against edges.

    Args:
        picture: `(h, w, 3)` uint8.
        evidence: `(h, w)` float32: log-odds of a pixel being the object's.
        certain: Beyond these log-odds a pixel is decided without regard to its neighbours.

    Returns:
        `(h, w)` bool.
    """
    h, w = evidence.shape
    if h < 2 or w < 2:
        return np.asarray(evidence > 0, np.bool_)
    labels = np.where(evidence > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[evidence > certain] = cv2.GC_FGD
    labels[evidence < -certain] = cv2.GC_BGD
    if not (evidence > 0).any() or not (evidence <= 0).any():
        return np.asarray(evidence > 0, np.bool_)
    colours = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)
    level = (np.clip(evidence / certain, -1, 1) + 1) * (_LEVELS / 2)
    # Lightness, and the two colour axes as one: the third channel is taken.
    chroma = (colours[..., 1].astype(np.float32) + colours[..., 2]) / 2
    coded = np.dstack([level, colours[..., 0], chroma]).astype(np.uint8)
    # grabCut's cost of a label is half the squared distance to a Gaussian's mean, over its
    # variance. With means at the ends of the scale and the same variance for both labels, the
    # difference of the two costs is linear in the level: weight * log-odds.
    variance = _LEVELS**2 / (2 * certain * _WEIGHT)
    cv2.grabCut(
        coded,
        labels,
        (0, 0, w, h),
        _one_gaussian(0.0, variance),
        _one_gaussian(_LEVELS, variance),
        1,
        cv2.GC_EVAL_FREEZE_MODEL,
    )
    return np.asarray((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD), np.bool_)


def _one_gaussian(mean: float, variance: float) -> npt.NDArray[np.float64]:
    """A model of `grabCut` in which only the first channel counts."""
    model = np.zeros((1, 65))
    # 5 weights, 5 means of 3 channels, 5 covariances of 3 x 3.
    model[0, 0] = 1.0
    model[0, 5:8] = (mean, 128.0, 128.0)
    model[0, 20:29] = np.diag([variance, 1e9, 1e9]).ravel()
    return model
