"""Detections on sampled frames -> box tracks: which boxes show the same object.

A track is the best path through the detections (Viterbi). A path gains by the score of its boxes,
more so where they move against the camera, and loses where two boxes one after the other do not
look like one object: where the flow carries the first one elsewhere, or the colours differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from alref_agent.progress import Progress, Silent
from alref_agent.tools.detection.drift import Sightings, watch
from alref_agent.types import BoxTrack, Detections, Floats, Video

HORIZON = 4
"""Over this many sampled frames without a detection the flow still says where the object is."""
SAME = 0.5
"""Boxes of one frame that overlap more than this (IoU) show the same object."""
_JUMP = 2.0
"""What it costs to go on somewhere else, in detections of score 1."""
_ALIKE = 0.3
"""The least overlap of colour histograms for going on somewhere else."""


def link(
    video: Video,
    detections: Sequence[Sequence[Detections]],
    *,
    max_tracks: int,
    progress: Progress | None = None,
) -> list[list[BoxTrack]]:
    """Link detections of different frames that show the same object.

    Args:
        video: Read once for all expressions, only as far as there are detections.
        detections: For each expression the detections on the sampled frames.
        max_tracks: At most this many tracks a target.
        progress: Told of every frame.

    Returns:
        For each expression its tracks, by target, best first within each target; tracks of one
        target are of different objects. Boxes on sampled frames where a track has no detection
        are filled in.
    """
    frames = sorted({d.frame_idx for of_one in detections for d in of_one})
    step_of = {idx: step for step, idx in enumerate(frames)}
    # Expressions mostly share their boxes: each is followed once.
    pools: list[dict[bytes, int]] = [{} for _ in frames]
    for of_one in detections:
        for found in of_one:
            pool = pools[step_of[found.frame_idx]]
            for box in found.boxes:
                pool.setdefault(box.tobytes(), len(pool))
    boxes = [np.frombuffer(b"".join(pool), np.float32).reshape(-1, 4) for pool in pools]
    offsets = np.cumsum([0, *map(len, pools)])
    sightings = watch(video, frames, boxes, horizon=HORIZON, progress=progress or Silent())
    linked = []
    for of_one in detections:
        tracks: list[BoxTrack] = []
        for target in sorted({int(t) for found in of_one for t in found.targets}):
            nodes = _nodes(of_one, target, step_of, pools, offsets)
            tracks += _tracks(nodes, sightings, target, max_tracks)
        linked.append(tracks)
    return linked


@dataclass(frozen=True, eq=False)
class _Nodes:
    """The `n` boxes found for one target, by sampled frame."""

    rows: npt.NDArray[np.int64]
    """`(n,)`: their rows in the sightings."""
    scores: Floats
    phrases: list[str]


def _nodes(
    found: Sequence[Detections],
    target: int,
    step_of: dict[int, int],
    pools: list[dict[bytes, int]],
    offsets: npt.NDArray[np.int64],
) -> _Nodes:
    rows: dict[int, tuple[float, str]] = {}
    for frame in found:
        step = step_of[frame.frame_idx]
        for i in np.flatnonzero(frame.targets == target):
            row = int(offsets[step]) + pools[step][frame.boxes[i].tobytes()]
            if row not in rows or rows[row][0] < frame.scores[i]:
                rows[row] = (float(frame.scores[i]), frame.phrases[i])
    order = sorted(rows)
    return _Nodes(
        np.array(order, np.int64),
        np.array([rows[row][0] for row in order], np.float32),
        [rows[row][1] for row in order],
    )


def _tracks(nodes: _Nodes, sightings: Sightings, target: int, max_tracks: int) -> list[BoxTrack]:
    steps = sightings.steps[nodes.rows]
    gain = nodes.scores * (1 + _liveliness(sightings.speeds[nodes.rows]))
    gains = _gains(nodes, sightings)
    free = np.ones(len(nodes.rows), np.bool_)
    tracks: list[BoxTrack] = []
    while len(tracks) < max_tracks and free.any():
        path, total = _best_path(gain, steps, gains, sightings, nodes.rows, free)
        tracks.append(_track(path, total, nodes, sightings, target))
        for node in path:
            beside = np.flatnonzero((steps == steps[node]) & free)
            boxes = sightings.boxes[nodes.rows]
            free[beside[overlaps(boxes[beside], boxes[node : node + 1])[:, 0] > SAME]] = False
        free[path] = False
    return sorted(tracks, key=lambda track: -track.score)


def _liveliness(speeds: Floats) -> Floats:
    """Speed against the camera as a bonus in [0, 1): half of it at a slow walk."""
    return np.asarray(speeds / (speeds + np.float32(0.06)), np.float32)


_Gains = dict[tuple[int, int], npt.NDArray[np.float32]]


def _gains(nodes: _Nodes, sightings: Sightings) -> _Gains:
    """What going on with each box `age` sampled frames later adds: (step, age) -> `(m, n)`."""
    steps = sightings.steps[nodes.rows]
    members = {int(s): nodes.rows[steps == s] for s in np.unique(steps)}
    gains: _Gains = {}
    for step, later in members.items():
        for age in range(1, HORIZON + 1):
            earlier = members.get(step - age)
            if earlier is None:
                continue
            boxes = sightings.boxes[later]
            alike = _likeness(sightings.histograms[earlier], sightings.histograms[later])
            # Where something in front misleads the flow, the camera may still hold the object in
            # its place in the picture.
            carried, stayed = sightings.carried[earlier, age - 1], sightings.boxes[earlier]
            apart = np.minimum(_apart(carried, boxes), _apart(stayed, boxes))
            fit = np.maximum(_overlap(carried, boxes), 0.9 * _overlap(stayed, boxes)) + 0.2 * alike
            # Flow loses small fast things, so a box or two of distance is possible, at a price.
            gains[step, age] = np.where(
                fit > 0.25,
                1.5 * (fit - 0.6),
                np.where((apart < 2) & (alike > _ALIKE), -_JUMP, -np.inf),
            ).astype(np.float32)
    return gains


def _best_path(
    gain: Floats,
    steps: npt.NDArray[np.int32],
    gains: _Gains,
    sightings: Sightings,
    rows: npt.NDArray[np.int64],
    free: npt.NDArray[np.bool_],
) -> tuple[list[int], float]:
    """The path of free nodes that gains most, and its gain."""
    best = np.full(len(gain), -np.inf)
    before = np.full(len(gain), -1)
    members = {int(s): np.flatnonzero(steps == s) for s in np.unique(steps)}
    ended: list[int] = []
    for step, now in members.items():
        value = np.zeros(len(now))
        origin = np.full(len(now), -1)
        if ended:
            # After a long absence: the best path so far, if the colours agree.
            last = max(ended, key=lambda node: float(best[node]))
            alike = _likeness(sightings.histograms[rows[[last]]], sightings.histograms[rows[now]])
            jump = np.where(alike[0] > _ALIKE, best[last] - _JUMP, -np.inf)
            origin[jump > value] = last
            value = np.maximum(value, jump)
        for age in range(1, HORIZON + 1):
            if (step, age) not in gains:
                continue
            earlier = members[step - age]
            reach = best[earlier][:, None] + gains[step, age]
            top = reach.argmax(axis=0)
            reached = reach[top, np.arange(len(now))]
            better = reached > value
            origin[better] = earlier[top[better]]
            value[better] = reached[better]
        best[now] = np.where(free[now], value + gain[now], -np.inf)
        before[now] = origin
        ended += [int(n) for n in members.get(step - HORIZON, []) if free[n]]
        ended = [max(ended, key=lambda node: float(best[node]))] if ended else []
    node = int(best.argmax())
    total = float(best[node])
    path = []
    while node >= 0:
        path.append(node)
        node = int(before[node])
    return path[::-1], total


def _track(
    path: list[int], total: float, nodes: _Nodes, sightings: Sightings, target: int
) -> BoxTrack:
    rows = nodes.rows[path]
    boxes: dict[int, tuple[Floats, float]] = {}
    for row, node in zip(rows, path, strict=True):
        boxes[int(sightings.steps[row])] = (sightings.boxes[row], float(nodes.scores[node]))
    for a, b in pairwise(rows):
        first, last = int(sightings.steps[a]), int(sightings.steps[b])
        # A longer gap is an absence: nothing is known of it.
        if last - first > HORIZON:
            continue
        miss = sightings.boxes[b] - sightings.carried[a, last - first - 1]
        for step in range(first + 1, last):
            age = step - first
            drifted = sightings.carried[a, age - 1]
            boxes[step] = (drifted + miss * np.float32(age / (last - first)), 0.0)
    steps = sorted(boxes)
    label, _ = Counter(nodes.phrases[node] for node in path).most_common(1)[0]
    return BoxTrack(
        target=target,
        label=label,
        score=total / len(sightings.frame_idxs),
        motion=float(sightings.speeds[rows].mean()),
        frame_idxs=sightings.frame_idxs[steps],
        boxes=np.stack([boxes[step][0] for step in steps]).astype(np.float32),
        scores=np.array([boxes[step][1] for step in steps], np.float32),
    )


def overlaps(a: Floats, b: Floats) -> Floats:
    """Intersection over union of boxes `(m, 4)` with boxes `(n, 4)`: `(m, n)`."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.prod(np.maximum(high - low, 0), axis=2)
    area_a, area_b = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (a, b))
    return np.asarray(both / np.maximum(area_a[:, None] + area_b - both, 1e-6), np.float32)


def _overlap(a: Floats, b: Floats) -> Floats:
    """How well boxes fit in place, in [0, 0.8]: `(m, n)`."""
    return np.asarray(0.5 * overlaps(a, b) + 0.3 * np.exp(-4 * _apart(a, b) ** 2), np.float32)


def _apart(a: Floats, b: Floats) -> Floats:
    """Distance of the centres, in sides of the boxes: `(m, n)`."""
    apart = (a[:, None, :2] + a[:, None, 2:] - b[None, :, :2] - b[None, :, 2:]) / 2
    sides = (a[:, None, 2:] - a[:, None, :2] + b[None, :, 2:] - b[None, :, :2]) / 2
    return np.asarray(np.linalg.norm(apart / np.maximum(sides, 1e-3), axis=2), np.float32)


def _likeness(a: npt.NDArray[np.float16], b: npt.NDArray[np.float16]) -> Floats:
    """Intersection of colour histograms, in [0, 1]: `(m, n)`."""
    return np.asarray(np.minimum(a[:, None], b[None]).sum(axis=2, dtype=np.float32), np.float32)
