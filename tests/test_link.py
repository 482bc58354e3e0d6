"""Linking detections into box tracks, on textures that move."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from alref_agent.tools.detection.link import link
from alref_agent.types import BoxTrack, Detections
from moving_pictures import Patch, pan

Row = tuple[Sequence[float], float, int]
"""Box, score, target."""


def detections(t: int, rows: Sequence[Row]) -> Detections:
    return Detections(
        t,
        np.array([box for box, _, _ in rows], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in rows], np.float32),
        tuple("thing" for _ in rows),
        np.array([target for _, _, target in rows], np.int32),
    )


def is_of(track: BoxTrack, patch: Patch) -> bool:
    """Whether every box of the track is the patch's, give or take a few pixels."""
    truth = [patch.box(int(t)) for t in track.frame_idxs]
    return bool(np.abs(track.boxes - np.array(truth)).max() < 6)


LEFT = Patch((10, 20), (2, 0))
RIGHT = Patch((110, 70), (-2, 0), colour=(60, 60, 210), seed=2)
STILL = Patch((100, 10), (-1, 0), colour=(210, 200, 60), seed=3)
"""It moves with the ground, which pans by one pixel a frame."""
FRAMES = range(0, 31, 5)


def test_two_objects_are_two_tracks_whatever_the_order_of_their_boxes() -> None:
    found = []
    for t in FRAMES:
        rows: list[Row] = [(LEFT.box(t), 0.8, 0), (RIGHT.box(t), 0.7, 0)]
        found.append(detections(t, rows if t % 2 else rows[::-1]))
    (tracks,) = link(pan(31, [LEFT, RIGHT]), [found], max_tracks=5)
    assert len(tracks) == 2
    assert is_of(tracks[0], LEFT) and is_of(tracks[1], RIGHT)
    assert tracks[0].score > tracks[1].score
    assert tracks[0].label == "thing"
    assert tracks[0].frame_idxs.tolist() == list(FRAMES)


def test_what_moves_against_the_camera_comes_first() -> None:
    found = [detections(t, [(STILL.box(t), 0.8, 0), (LEFT.box(t), 0.75, 0)]) for t in FRAMES]
    (tracks,) = link(pan(31, [LEFT, STILL]), [found], max_tracks=2)
    assert is_of(tracks[0], LEFT) and is_of(tracks[1], STILL)
    # Two pixels a frame to the right, on ground that goes one to the left.
    assert tracks[0].motion == pytest.approx(3 / 160 * 24, rel=0.35)
    assert tracks[1].motion < 0.1 * tracks[0].motion


def test_a_missing_detection_is_filled_in() -> None:
    found = [detections(t, [] if t in (10, 15) else [(LEFT.box(t), 0.9, 0)]) for t in FRAMES]
    (tracks,) = link(pan(31, [LEFT]), [found], max_tracks=5)
    assert len(tracks) == 1 and is_of(tracks[0], LEFT)
    assert tracks[0].frame_idxs.tolist() == list(FRAMES)
    assert [t for t, s in zip(FRAMES, tracks[0].scores, strict=True) if s == 0] == [10, 15]


def test_an_object_does_not_jump() -> None:
    # One is there in the first half only, the other in the second half only.
    found = [detections(t, [(LEFT.box(t) if t < 15 else RIGHT.box(t), 0.9, 0)]) for t in FRAMES]
    (tracks,) = link(pan(31, [LEFT, RIGHT]), [found], max_tracks=5)
    assert sorted(is_of(track, LEFT) for track in tracks) == [False, True]
    assert sorted(is_of(track, RIGHT) for track in tracks) == [False, True]


def test_targets_do_not_mix_and_expressions_share_one_pass() -> None:
    both = [detections(t, [(LEFT.box(t), 0.8, 0), (RIGHT.box(t), 0.9, 1)]) for t in FRAMES]
    right = [detections(t, [(RIGHT.box(t), 0.5, 0)]) for t in FRAMES]
    none = [detections(t, []) for t in FRAMES]
    video = pan(31, [LEFT, RIGHT])
    first, second, third = link(video, [both, right, none], max_tracks=5)
    assert video.passes == 1
    assert [(t.target, is_of(t, LEFT)) for t in first] == [(0, True), (1, False)]
    assert [t.target for t in second] == [0] and is_of(second[0], RIGHT)
    assert third == []


def test_at_most_so_many_tracks_a_target() -> None:
    found = [detections(t, [(p.box(t), 0.8, 0) for p in (LEFT, RIGHT, STILL)]) for t in FRAMES]
    (tracks,) = link(pan(31, [LEFT, RIGHT, STILL]), [found], max_tracks=2)
    assert len(tracks) == 2


def test_boxes_of_one_object_make_one_track() -> None:
    found = []
    for t in FRAMES:
        x0, y0, x1, y1 = LEFT.box(t)
        found.append(detections(t, [((x0, y0, x1, y1), 0.9, 0), ((x0 + 3, y0, x1, y1), 0.5, 0)]))
    (tracks,) = link(pan(31, [LEFT]), [found], max_tracks=5)
    assert len(tracks) == 1


def test_nothing_to_link() -> None:
    assert link(pan(3, []), [], max_tracks=1) == []
    assert link(pan(3, []), [[], []], max_tracks=1) == [[], []]
    assert link(pan(3, []), [[detections(1, [])]], max_tracks=1) == [[]]


def test_one_sampled_frame() -> None:
    (tracks,) = link(pan(3, [LEFT]), [[detections(1, [(LEFT.box(1), 0.4, 0)])]], max_tracks=3)
    assert len(tracks) == 1
    assert tracks[0].motion == 0
