"""The segmenter `flow`: masks from motion against the camera and from colour, nothing learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

import cv2
import numpy as np

from alref_agent.config import Config
from alref_agent.tools.motion import (
    FlowField,
    camera_flow,
    dense_flow,
    follow,
    grey,
    shrink,
    working_size,
)
from alref_agent.tools.segmentation.appearance import (
    COLOUR_SHAPE,
    MOTION_SHAPE,
    Codes,
    Looks,
    colour_codes,
    histogram,
    log_odds,
    motion_codes,
)
from alref_agent.tools.segmentation.cut import minimum_cut
from alref_agent.tools.segmentation.hints import Hints, box_prior, mask_box
from alref_agent.tools.segmentation.spool import Spool
from alref_agent.types import Floats, Frame, ObjectMask, Prompt, Video


class Flow:
    """A first pass forward gathers evidence, a second one backward settles the masks."""

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
            self._gather(video, size, hints, looks, spool)
            yield from self._settle(video, size, hints, looks, spool)

    def _gather(self, video, size, hints, looks, spool) -> None:
        flow_of = dense_flow()
        before = None
        beliefs: dict[int, Floats] = {}
        for t, frame in video.frames():
            small = shrink(frame, size)
            now = grey(small)
            codes = colour_codes(small)
            flow = flow_of(now, before) if before is not None else None
            before = now
            priors = self._priors(t, size, hints, beliefs, flow)
            moves = self._moves(flow, priors, size)
            for obj, prior in priors.items():
                belief = _believe(prior, codes, moves, None, small)
                beliefs[obj] = belief
                looks[obj].add(codes, np.where(belief > 0.7, belief, 0), (prior > -5.5) * (belief < 0.3))
                spool.put((obj, t), np.rint(belief * 255).astype(np.uint8))

    def _settle(self, video, size, hints, looks, spool) -> Iterator[ObjectMask]:
        flow_of = dense_flow()
        after = None
        beliefs: dict[int, Floats] = {}
        odds = {obj: look.log_odds() for obj, look in looks.items()}
        for t, frame in video.frames(video.n_frames - 1, None, -1):
            small = shrink(frame, size)
            now = grey(small)
            codes = colour_codes(small)
            flow = flow_of(now, after) if after is not None else None
            after = now
            priors = self._priors(t, size, hints, beliefs, flow)
            for obj in hints:
                kept = spool.get((obj, t))
                if kept is None:
                    continue
                old = _logit(kept.astype(np.float32) / 255)
                priors[obj] = (priors[obj] + old) / 2 if obj in priors else old
            moves = self._moves(flow, priors, size)
            masks = {}
            for obj, prior in priors.items():
                belief = _believe(prior, codes, moves, odds[obj], small)
                beliefs[obj] = belief
                masks[obj] = belief
            yield from self._masks(t, masks, small, frame)

    def _priors(self, t, size, hints, beliefs, flow) -> dict[int, Floats]:
        priors = {}
        for obj, hint in hints.items():
            box = hint.box(t)
            if t in hint.masks:
                priors[obj] = np.where(hint.masks[t], 6, -6).astype(np.float32)
            elif box is not None:
                priors[obj] = box_prior(box, size)
            elif obj in beliefs and flow is not None:
                carried = follow(beliefs[obj], flow)
                priors[obj] = 0.8 * _logit(cv2.GaussianBlur(carried, (0, 0), 2))
        return priors

    def _moves(self, flow: FlowField | None, priors, size) -> Codes | None:
        if flow is None or not priors:
            return None
        outside = np.ones(size, np.bool_)
        for prior in priors.values():
            outside &= prior < -3
        against = flow - camera_flow(flow, outside)
        noise = float(np.median(np.abs(against[outside]))) if outside.any() else 0.5
        return motion_codes(against, max(noise, 0.15))

    def _masks(self, t, beliefs, small, frame) -> Iterator[ObjectMask]:
        h, w = frame.shape[:2]
        for obj, belief in beliefs.items():
            mask = minimum_cut(small, _logit(belief))
            soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1)
            full = cv2.resize(soft, (w, h), interpolation=cv2.INTER_LINEAR) > 0.5
            yield ObjectMask(obj, t, full)


def _logit(p: Floats) -> Floats:
    p = np.clip(p, 0.0025, 0.9975)
    return np.log(p / (1 - p)).astype(np.float32)


def _believe(prior, codes, moves, odds, small) -> Floats:
    logit = prior
    near = prior > -5.5
    for _ in range(3):
        belief = 1 / (1 + np.exp(-logit))
        inside = belief * near
        outside = (1 - belief) * near
        colour = log_odds(
            histogram(codes, inside, COLOUR_SHAPE), histogram(codes, outside, COLOUR_SHAPE)
        ).ravel()
        if odds is not None:
            colour = (colour + odds) / 2
        logit = prior + colour[codes]
        if moves is not None:
            motion = log_odds(
                histogram(moves, inside, MOTION_SHAPE), histogram(moves, outside, MOTION_SHAPE)
            ).ravel()
            logit = logit + motion[moves]
        logit = np.clip(logit, -6, 6)
        logit = cv2.ximgproc.fastGlobalSmootherFilter(small, logit.astype(np.float32), 20, 12)
    return (1 / (1 + np.exp(-logit))).astype(np.float32)
