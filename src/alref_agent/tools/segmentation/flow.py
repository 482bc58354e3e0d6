"""The segmenter `flow`: masks from motion against the camera and from colour, nothing learned.

Two passes over the video. The first, forward, learns the colours of each object and of what is
around it, and carries boxes forward from the last prompt. The second, backward, carries them
backward from the first prompt and draws the masks. Both hold a few frames only. Nothing in it is
random.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Self

import numpy as np

from alref_agent.config import Config
from alref_agent.errors import ConfigError
from alref_agent.tools.motion import FlowField, camera_flow, working_size
from alref_agent.tools.segmentation import carry
from alref_agent.tools.segmentation.appearance import Looks, colour_codes
from alref_agent.tools.segmentation.carry import Place, State
from alref_agent.tools.segmentation.evidence import Window, believe, ring
from alref_agent.tools.segmentation.hints import Hints
from alref_agent.tools.segmentation.outcome import masks
from alref_agent.tools.segmentation.pairs import Pair, pairs
from alref_agent.types import Floats, ObjectMask, Prompt, Video

_FRESH = 15
"""After this many frames without a prompt, what is found teaches a third as much."""


class Flow:
    """See the module."""

    version = "1"
    cpu_only = True

    def __init__(self, short_side: int = 240) -> None:
        """Set the working size.

        Args:
            short_side: Of the frames it works on, in pixels; masks come at video resolution.
        """
        self._short_side = short_side

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Read `config.segmenter.image_size`, the short side at which it works.

        Raises:
            ConfigError: `config.segmenter.options` is not empty; it has none.
        """
        cls.check(config)
        return cls(config.segmenter.image_size or 240)

    @classmethod
    def check(cls, config: Config) -> None:
        """Raise what `from_config` would."""
        if config.segmenter.options:
            name = next(iter(config.segmenter.options))
            raise ConfigError(f"segmenter.options.{name}: the segmenter flow has no options.")

    def segment(self, video: Video, prompts: Sequence[Prompt]) -> Iterator[ObjectMask]:
        """Carry every object's prompts through the whole video, in two passes over it."""
        size = working_size(video.height, video.width, self._short_side)
        of_object: dict[int, list[Prompt]] = {}
        for prompt in prompts:
            of_object.setdefault(prompt.obj_id, []).append(prompt)
        if not of_object:
            return
        hints = {
            obj_id: Hints(given, size, (video.height, video.width))
            for obj_id, given in sorted(of_object.items())
        }
        looks = {obj_id: Looks() for obj_id in hints}
        carried = _learn(pairs(video, size), hints, looks)
        known = {obj_id: look.log_odds() for obj_id, look in looks.items()}
        yield from _draw(pairs(video, size, backward=True), hints, known, carried)


def _learn(
    frames: Iterator[Pair], hints: Mapping[int, Hints], looks: Mapping[int, Looks]
) -> dict[tuple[int, int], Place]:
    """The first pass: fills `looks`, returns places found without prompts, by object and frame."""
    states: dict[int, State] = {}
    carried: dict[tuple[int, int], Place] = {}
    for pair in frames:
        places = _places(pair, hints, states)
        against = _against(pair, places)
        for obj_id, where in places.items():
            known = looks[obj_id].log_odds() if where.age else None
            state = _look(pair, hints[obj_id], where, against, known, states.get(obj_id))
            _keep(states, obj_id, state)
            if state is None or state.lost:
                continue
            if where.age:
                carried[obj_id, pair.frame_idx] = Place(where.box, where.age)
            belief = 1 / (1 + np.exp(-state.logit))
            window = state.window
            around = ring(window.local(where.box), window.size) | (belief < 0.5)
            looks[obj_id].add(
                colour_codes(pair.small[window.slices]),
                np.where(belief > 0.5, belief, 0).astype(np.float32),
                np.where(around & (belief < 0.5), 1 - belief, 0).astype(np.float32),
                float(np.exp(-where.age / _FRESH)),
            )
    return carried


def _draw(
    frames: Iterator[Pair],
    hints: Mapping[int, Hints],
    known: Mapping[int, Floats],
    carried: Mapping[tuple[int, int], Place],
) -> Iterator[ObjectMask]:
    """The second pass: masks, last frame first."""
    states: dict[int, State] = {}
    for pair in frames:
        places = _places(pair, hints, states)
        for obj_id in hints:
            # Of a place carried from either side, the one nearer to its prompt.
            other = carried.get((obj_id, pair.frame_idx))
            if other is not None and (obj_id not in places or other.age < places[obj_id].age):
                places[obj_id] = other
        against = _against(pair, places)
        drawn: dict[int, State] = {}
        for obj_id, where in sorted(places.items()):
            state = _look(pair, hints[obj_id], where, against, known[obj_id], states.get(obj_id))
            _keep(states, obj_id, state)
            if state is not None and not state.lost:
                drawn[obj_id] = state
        yield from masks(pair, drawn, hints)


def _places(
    pair: Pair, hints: Mapping[int, Hints], states: Mapping[int, State]
) -> dict[int, Place]:
    found = {
        obj_id: carry.place(hint, pair.frame_idx, states.get(obj_id), pair.to_last)
        for obj_id, hint in hints.items()
    }
    return {obj_id: where for obj_id, where in found.items() if where is not None}


def _against(pair: Pair, places: Mapping[int, Place]) -> list[FlowField]:
    """Movements against the camera, which is estimated outside of all boxes."""
    if not places:
        return []
    outside = np.ones(pair.size, np.bool_)
    for where in places.values():
        x0, y0, x1, y1 = np.maximum(where.box, 0).astype(int)
        outside[y0:y1, x0:x1] = False
    flows = (pair.to_last, pair.to_next)
    return [flow - camera_flow(flow, outside) for flow in flows if flow is not None]


def _look(
    pair: Pair,
    hints: Hints,
    where: Place,
    against: Sequence[FlowField],
    known: Floats | None,
    last: State | None,
) -> State | None:
    window = Window.around(where.box, pair.size)
    prior = carry.prior(hints, pair.frame_idx, where, window)
    if pair.frame_idx in hints.masks:
        return State(where, window, prior)
    logit = believe(
        pair.small[window.slices],
        window.local(where.box),
        prior,
        [field[window.slices] for field in against],
        known,
    )
    return carry.found(last, where, window, logit)


def _keep(states: dict[int, State], obj_id: int, state: State | None) -> None:
    if state is None:
        states.pop(obj_id, None)
    else:
        states[obj_id] = state
