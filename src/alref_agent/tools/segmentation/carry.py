"""One object from frame to frame: where it is looked for, and when it is given up.

Near prompts the box comes from them; elsewhere the last box is moved along the optical flow and
fitted to what was found in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alref_agent.tools.motion import FlowField, follow
from alref_agent.tools.segmentation.evidence import CERTAIN, Window, box_prior
from alref_agent.tools.segmentation.hints import Hints, mask_box
from alref_agent.types import Floats

_SURE = 1.5
"""Mean log-odds within its mask below which an object that is carried along counts as lost."""
_PATIENCE = 5
"""Frames after which a lost object is no longer carried."""
_CARRIED = 0.4
"""Weight of what the neighbouring frame says of a pixel, where no prompt is near."""
_FIT = 0.2
"""Share by which a carried box follows the mask that was found in it."""


@dataclass(frozen=True, eq=False)
class Place:
    """Where an object is looked for on one frame."""

    box: Floats
    """`(4,)` float32, xyxy in pixels of the working size."""
    age: int
    """Frames since a prompt said where it is."""
    carried: Floats | None = None
    """`(h, w)` in [0, 1]: the belief of the neighbouring frame, moved along the flow."""


@dataclass(frozen=True, eq=False)
class State:
    """What was found of an object on one frame."""

    place: Place
    window: Window
    logit: Floats
    """Log-odds in the window."""
    lost: int = 0
    """For how many frames nothing there has looked like the object."""

    @property
    def sureness(self) -> float:
        """Mean probability within the mask, in [0, 1]."""
        inside = self.logit[self.logit > 0]
        return float((1 / (1 + np.exp(-inside))).mean()) if inside.size else 0.0


def place(hints: Hints, t: int, state: State | None, flow: FlowField | None) -> Place | None:
    """Where to look for the object on frame `t`.

    Args:
        hints: The object's prompts.
        t: The frame.
        state: What was found on the neighbouring frame, if it was.
        flow: From this frame to the neighbouring one.

    Returns:
        None where nothing is known, or where the object has left the picture.
    """
    box = hints.box(t)
    if box is not None:
        return Place(box, 0)
    if state is None or flow is None:
        return None
    h, w = flow.shape[:2]
    belief = np.zeros((h, w), np.float32)
    belief[state.window.slices] = 1 / (1 + np.exp(-state.logit))
    carried = follow(belief, flow)
    inside = carried > 0.5
    if not inside.any():
        return None
    shift = -np.median(flow[inside], axis=0)
    box = state.place.box + np.tile(shift, 2).astype(np.float32)
    middle = (box[:2] + box[2:]) / 2
    if np.any(middle < 0) or middle[0] > w or middle[1] > h:
        return None
    return Place(box, state.place.age + 1, carried)


def prior(hints: Hints, t: int, where: Place, window: Window) -> Floats:
    """`(h, w)` float32: log-odds in the window from place alone."""
    if t in hints.masks:
        return np.where(hints.masks[t][window.slices], CERTAIN, -CERTAIN).astype(np.float32)
    odds = box_prior(window.local(where.box), window.size)
    if where.carried is not None:
        p = np.clip(where.carried[window.slices], 0.02, 0.98)
        odds = odds + np.float32(_CARRIED) * np.log(p / (1 - p))
    for points, value in hints.points_at(t):
        ys, xs = np.ogrid[window.y0 : window.y1, window.x0 : window.x1]
        for x, y in points:
            odds[(xs + 0.5 - x) ** 2 + (ys + 0.5 - y) ** 2 <= hints.reach**2] = value
    return np.asarray(odds, np.float32)


def found(last: State | None, where: Place, window: Window, logit: Floats) -> State | None:
    """The new state; None once the object has been lost for too long."""
    if where.age == 0:
        return State(where, window, logit)
    mask = logit > 0
    if not mask.any() or float(logit[mask].mean()) < _SURE:
        lost = (last.lost if last is not None else 0) + 1
        return State(where, window, logit, lost) if lost <= _PATIENCE else None
    fitted = mask_box(mask)
    assert fitted is not None
    corner = np.array([window.x0, window.y0, window.x0, window.y0], np.float32)
    box = where.box + np.float32(_FIT) * (fitted + corner - where.box)
    return State(Place(box, where.age, where.carried), window, logit)
