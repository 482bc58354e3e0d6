"""The segmenter `flow`: masks from motion against the camera and from colour, nothing learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from alref_agent.config import Config
from alref_agent.tools.motion import (
    FlowField,
    FlowFunction,
    camera_flow,
    dense_flow,
    follow,
    grey,
    shrink,
    working_size,
)
from alref_agent.tools.segmentation.appearance import Looks, colour_codes
from alref_agent.tools.segmentation.cut import minimum_cut
from alref_agent.tools.segmentation.evidence import CERTAIN, Window, believe, box_prior, ring
from alref_agent.tools.segmentation.hints import Hints, mask_box
from alref_agent.tools.segmentation.spool import Spool
from alref_agent.types import Floats, Frame, Mask, ObjectMask, Prompt, Video


DBG=None


@dataclass(eq=False)
class State:
    """What is believed of one object on the frame just seen."""

    box: Floats
    age: int
    """Frames since a prompt said where it is."""
    window: Window
    logit: Floats
    lost: int = 0
    """For how many frames nothing there has looked like the object."""


class Flow:
    """A first pass forward learns what the objects look like, a second one backward draws them."""

    version = "1"

    def __init__(self, short_side: int = 240, seed: int = 0) -> None:
        self._short_side = short_side
        self._seed = seed

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Read the working size, `config.segmenter.image_size`."""
        return cls(config.segmenter.image_size or 240, config.seed)

    def segment(self, video: Video, prompts: Sequence[Prompt]) -> Iterator[ObjectMask]:
        """Carry every object's prompts through the whole video, in two passes over it."""
        if not prompts:
            return
        size = working_size(video.height, video.width, self._short_side)
        by_object: dict[int, list[Prompt]] = {}
        for prompt in prompts:
            by_object.setdefault(prompt.obj_id, []).append(prompt)
        hints = {
            obj: Hints(of_one, size, (video.height, video.width))
            for obj, of_one in sorted(by_object.items())
        }
        looks = {obj: Looks() for obj in hints}
        with Spool() as spool:
            boxes = self._learn(video, size, hints, looks, spool)
            yield from self._draw(video, size, hints, looks, boxes, spool)

    def _learn(
        self,
        video: Video,
        size: tuple[int, int],
        hints: dict[int, Hints],
        looks: dict[int, Looks],
        spool: Spool,
    ) -> dict[tuple[int, int], tuple[Floats, int]]:
        flow_of = dense_flow()
        states: dict[int, State] = {}
        boxes: dict[tuple[int, int], tuple[Floats, int]] = {}
        before = None
        for t, frame in video.frames():
            small = shrink(frame, size)
            now = grey(small)
            flow = flow_of(now, before) if before is not None else None
            before = now
            places = {}
            for obj, hint in hints.items():
                place = _place(hint, t, states.get(obj), flow)
                if place is not None:
                    places[obj] = place
            against = _against(flow, places, size)
            for obj, (box, age) in places.items():
                window = Window.around(box, size)
                local = window.local(box)
                prior = _prior(hints[obj], t, local, window)
                fields = [f[window.slices] for f in against]
                known_now = looks[obj].log_odds() if age else None
                logit = believe(small[window.slices], local, prior, fields, known_now)
                state = _state(states.get(obj), box, age, window, logit)
                if state is None:
                    states.pop(obj, None)
                    continue
                states[obj] = state
                if state.lost:
                    continue
                boxes[obj, t] = (box, age)
                belief = 1 / (1 + np.exp(-logit))
                near = ring(local, window.size) | (prior > -5)
                fresh = np.float32(np.exp(-age / 15))
                looks[obj].add(
                    colour_codes(small[window.slices]),
                    np.where(belief > 0.5, belief, 0),
                    np.where(near & (belief < 0.5), 1 - belief, 0),
                    fresh,
                )
                spool.put((obj, t), np.rint(belief * 255).astype(np.uint8))
        return boxes

    def _draw(self, video, size, hints, looks, boxes, spool) -> Iterator[ObjectMask]:
        flow_of = dense_flow()
        known = {obj: look.log_odds() for obj, look in looks.items()}
        states: dict[int, State] = {}
        after = None
        for t, frame, now, small, before in _with_previous(video, size):
            flow = flow_of(now, after) if after is not None else None
            back = flow_of(now, before) if before is not None else None
            after = now
            places = {}
            for obj, hint in hints.items():
                place = _place(hint, t, states.get(obj), flow)
                other = boxes.get((obj, t))
                if place is None or (other is not None and other[1] < place[1]):
                    place = other
                if place is not None:
                    places[obj] = place
            against = _against(flow, places, size) + _against(back, places, size)
            found = {}
            for obj, (box, age) in places.items():
                window = Window.around(box, size)
                local = window.local(box)
                prior = _prior(hints[obj], t, local, window)
                fields = [f[window.slices] for f in against]
                logit = believe(small[window.slices], local, prior, fields, known[obj])
                state = _state(states.get(obj), box, age, window, logit)
                if state is None:
                    states.pop(obj, None)
                    continue
                states[obj] = state
                if state.lost:
                    continue
                found[obj] = (window, logit)
                if DBG is not None:
                    m = logit > 0
                    DBG.append((obj, t, age, float(known[obj][colour_codes(small[window.slices])][m].mean()) if m.any() else -9, int(m.sum()), float((local[2]-local[0])*(local[3]-local[1])), float(logit[m].mean()) if m.any() else -9))
            yield from _masks(t, found, small, frame)


def _with_previous(video, size):
    held = None
    for t, frame in video.frames(video.n_frames - 1, None, -1):
        small = shrink(frame, size)
        now = grey(small)
        if held is not None:
            yield (*held, now)
        held = (t, frame, now, small)
    if held is not None:
        yield (*held, None)


_SURE=1.5
_FIT=0.2

def _state(last: State | None, box: Floats, age: int, window: Window, logit: Floats) -> State | None:
    mask = logit > 0
    sure = float(logit[mask].mean()) if mask.any() else 0.0
    if age == 0:
        return State(box, 0, window, logit)
    if sure < _SURE:
        lost = (last.lost if last else 0) + 1
        return None if lost > 5 else State(box, age, window, logit, lost)
    fitted = mask_box(mask)
    if fitted is not None:
        fitted = fitted + np.array([window.x0, window.y0, window.x0, window.y0], np.float32)
        box = box + np.float32(_FIT) * (fitted - box)
    return State(box, age, window, logit)


def _place(
    hint: Hints, t: int, state: State | None, flow: FlowField | None
) -> tuple[Floats, int] | None:
    box = hint.box(t)
    if box is not None:
        return box, 0
    if state is None or flow is None:
        return None
    h, w = flow.shape[:2]
    belief = np.zeros((h, w), np.float32)
    belief[state.window.slices] = state.logit > 0
    carried = follow(belief, flow) > 0.5
    if not carried.any():
        return None
    shift = -np.median(flow[carried], axis=0)
    box = state.box + np.tile(shift, 2).astype(np.float32)
    middle = (box[:2] + box[2:]) / 2
    if np.any(middle < 0) or middle[0] > w or middle[1] > h:
        return None
    return box, state.age + 1


def _against(flow, places, size) -> list[FlowField]:
    if flow is None or not places:
        return []
    outside = np.ones(size, np.bool_)
    for box, _ in places.values():
        x0, y0, x1, y1 = np.clip(box, 0, None).astype(int)
        outside[y0:y1, x0:x1] = False
    return [flow - camera_flow(flow, outside)]


def _prior(hint: Hints, t: int, local: Floats, window: Window) -> Floats:
    if t in hint.masks:
        return np.where(hint.masks[t][window.slices], CERTAIN, -CERTAIN).astype(np.float32)
    return box_prior(local, window.size)


def _masks(t, found, small, frame) -> Iterator[ObjectMask]:
    h, w = frame.shape[:2]
    for obj, (window, logit) in found.items():
        mask = np.zeros(small.shape[:2], np.float32)
        mask[window.slices] = minimum_cut(small[window.slices], logit)
        soft = cv2.GaussianBlur(mask, (0, 0), 1)
        full = cv2.resize(soft, (w, h), interpolation=cv2.INTER_LINEAR) > 0.5
        yield ObjectMask(obj, t, full)
