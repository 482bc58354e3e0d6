"""From what is believed of all objects on a frame to their masks at video resolution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import cv2
import numpy as np

from alref_agent.tools.segmentation.carry import State
from alref_agent.tools.segmentation.cut import minimum_cut
from alref_agent.tools.segmentation.hints import Hints
from alref_agent.tools.segmentation.pairs import Pair
from alref_agent.types import Floats, Mask, ObjectMask


def masks(
    pair: Pair, states: Mapping[int, State], hints: Mapping[int, Hints]
) -> Iterator[ObjectMask]:
    """The masks of a frame; none for objects of which nothing is left, and no two overlap."""
    t = pair.frame_idx
    height, width = pair.frame.shape[:2]
    best = np.full(pair.size, -np.inf, np.float32)
    owner = np.zeros(pair.size, np.int32)
    for obj_id, state in states.items():
        if t in hints[obj_id].drawn:
            continue
        inside = state.window.slices
        wins = minimum_cut(pair.small[inside], state.logit) & (state.logit > best[inside])
        best[inside][wins] = state.logit[wins]
        owner[inside][wins] = obj_id
    taken = np.zeros((height, width), np.bool_)
    for obj_id, hint in hints.items():
        if t in hint.drawn:
            # A mask that was given is the answer.
            mask = hint.drawn[t] & ~taken
            taken |= mask
            if mask.any():
                yield ObjectMask(obj_id, t, mask)
    for obj_id, state in states.items():
        if t in hints[obj_id].drawn:
            continue
        mask = _enlarge((owner == obj_id).astype(np.float32), (height, width)) & ~taken
        taken |= mask
        if mask.any():
            yield ObjectMask(obj_id, t, mask, state.sureness)


def _enlarge(mask: Floats, size: tuple[int, int]) -> Mask:
    """The mask at `size`, `(H, W)`, with its steps rounded off."""
    soft = cv2.GaussianBlur(mask, (0, 0), 1)
    full = cv2.resize(soft, size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(full > 0.5, np.bool_)
