"""What the network saw -> the candidates for one target, ranked by all that the words say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alref_agent.tools.detection import coco, colour, places
from alref_agent.tools.detection.grounding import Ask
from alref_agent.tools.detection.tiles import Found, suppress
from alref_agent.tools.detection.vocabulary import Sense
from alref_agent.types import Floats, Frame

SAME = 0.6
"""Boxes of two classes that overlap by more than this IoU show one object."""
OFF_COLOUR = 0.5
"""What a box keeps of its score that has nothing of the colour asked for."""
SEEN = 0.2
"""The least score at which a thing that is only mentioned counts as seen."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Boxes for one target on one frame, best first."""

    boxes: Floats
    """`(N, 4)` float32, xyxy in pixels."""
    scores: Floats
    """`(N,)` float32 in [0, 1]."""
    classes: npt.NDArray[np.int32]
    """`(N,)` int32: COCO ids."""


def candidates(
    frame: Frame, found: Found, ask: Ask, box_threshold: float, max_boxes: int
) -> Candidates:
    """The boxes of a target's classes, scored by class and by what else the words say.

    The threshold holds for the network's score: words only rank, for a wrong one must not lose the
    only candidate.

    Args:
        frame: RGB uint8 `(H, W, 3)`.
        found: What the network saw in it.
        ask: The target.
        box_threshold: The least score of the network, times the class's weight.
        max_boxes: At most this many.
    """
    weighted = _weighted(found, ask.sense)
    near = np.flatnonzero(weighted >= box_threshold)
    keep = near[suppress(found.boxes[near], weighted[near], np.zeros(len(near), np.int32), SAME)]
    boxes, scores = found.boxes[keep], weighted[keep]
    if not len(keep):
        return Candidates(boxes, scores, found.classes[keep])
    phrase = ask.phrase
    if phrase.colours:
        # Over all candidates this costs tens of ms in a crowd; the weak are not worth it.
        hues = np.zeros(len(keep), np.float32)
        top = slice(0, 2 * max_boxes)
        hues[top] = colour.agreement(frame, boxes[top], phrase.colours)
        scores = scores * (OFF_COLOUR + (1 - OFF_COLOUR) * hues)
    for sense in ask.related:
        seen = _weighted(found, sense)
        strong = seen >= SEEN
        scores = scores * places.nearness(boxes, found.boxes[strong], seen[strong])
    scores = scores * places.factor(phrase, boxes, scores, *frame.shape[:2])
    order = np.argsort(-scores, kind="stable")[:max_boxes]
    return Candidates(boxes[order], scores[order].astype(np.float32), found.classes[keep][order])


def _weighted(found: Found, sense: Sense) -> Floats:
    """`(N,)`: the network's score of each box, times the weight of its class in the sense."""
    weights = np.zeros(max(coco.CLASSES) + 1, np.float32)
    for name, weight in sense.weights.items():
        weights[coco.IDS[name]] = weight
    return (found.scores * weights[found.classes]).astype(np.float32)
