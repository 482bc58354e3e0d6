"""The segmenter `flow` on textures that move: what it finds, what it refuses, what it holds."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import pytest

from alref_agent.config import load_config
from alref_agent.errors import ConfigError
from alref_agent.tools.segmentation.cut import minimum_cut
from alref_agent.tools.segmentation.flow import Flow
from alref_agent.tools.segmentation.pairs import ahead
from alref_agent.types import Frame, Mask, ObjectMask, Prompt
from moving_pictures import HEIGHT, WIDTH, MadeVideo, Patch, iou, pan


def boxes(patch: Patch, frames: Iterable[int], obj_id: int = 1, slack: int = 2) -> list[Prompt]:
    """Boxes as a detector gives them: a little too large."""
    prompts = []
    for t in frames:
        x0, y0, x1, y1 = patch.box(t)
        box = np.array([x0 - slack, y0 - slack, x1 + slack, y1 + slack], np.float32)
        inside = np.clip(box, 0, [WIDTH, HEIGHT] * 2).astype(np.float32)
        prompts.append(Prompt(obj_id, t, box=inside))
    return prompts


def by_frame(found: Iterable[ObjectMask], obj_id: int = 1) -> dict[int, Mask]:
    masks: dict[int, Mask] = {}
    for item in found:
        assert item.mask.shape == (HEIGHT, WIDTH)
        assert 0 <= item.score <= 1
        if item.obj_id == obj_id:
            assert item.frame_idx not in masks
            masks[item.frame_idx] = item.mask
    return masks


def quality(masks: dict[int, Mask], patch: Patch, n_frames: int) -> float:
    empty = np.zeros((HEIGHT, WIDTH), np.bool_)
    return float(np.mean([iou(masks.get(t, empty), patch.mask(t)) for t in range(n_frames)]))


def test_follows_boxes_under_a_moving_camera() -> None:
    patch = Patch((20, 40), (3, 1))
    video = pan(21, [patch])
    masks = by_frame(Flow().segment(video, boxes(patch, range(0, 21, 5))))
    assert quality(masks, patch, 21) > 0.85


def test_motion_alone_is_enough() -> None:
    # Object and ground are of one colour and one kind of texture, and the box is far too large.
    patch = Patch((20, 40), (4, 1), colour=(90, 120, 90))
    video = pan(21, [patch])
    masks = by_frame(Flow().segment(video, boxes(patch, range(0, 21, 5), slack=8)))
    assert quality(masks, patch, 21) > 0.75


def test_colour_alone_is_enough() -> None:
    # Nothing moves, and the box is far too large.
    patch = Patch((60, 40), (0, 0))
    video = pan(6, [patch], speed=0)
    masks = by_frame(Flow().segment(video, boxes(patch, [0, 5], slack=8)))
    assert quality(masks, patch, 6) > 0.85


def test_one_box_is_carried_both_ways() -> None:
    patch = Patch((20, 40), (3, 0))
    video = pan(25, [patch])
    masks = by_frame(Flow().segment(video, boxes(patch, [12])))
    assert quality(masks, patch, 25) > 0.8


def test_an_object_that_leaves_has_no_mask() -> None:
    patch = Patch((90, 40), (6, 0))
    video = pan(40, [patch])
    masks = by_frame(Flow().segment(video, boxes(patch, [0, 5])))
    assert quality(masks, patch, 8) > 0.8
    gone = [masks[t].sum() for t in range(14, 40) if t in masks]
    assert sum(gone) < 0.02 * 36 * 28 * 26


def test_an_object_that_comes_back_with_its_prompts() -> None:
    here = Patch((100, 40), (8, 0))
    again = Patch((-300, 40), (8, 0))
    video = pan(60, [here, again])
    prompts = boxes(here, [0, 4]) + boxes(again, [45, 50])
    masks = by_frame(Flow().segment(video, prompts))
    assert iou(masks[2], here.mask(2)) > 0.8
    assert iou(masks[48], again.mask(48)) > 0.8
    assert not any(masks[t].any() for t in range(22, 30) if t in masks)


def test_two_objects_do_not_overlap() -> None:
    left = Patch((10, 40), (3, 0))
    right = Patch((110, 46), (-3, 0), colour=(60, 60, 210), seed=2)
    video = pan(21, [left, right])
    prompts = boxes(left, range(0, 21, 5), 1) + boxes(right, range(0, 21, 5), 7)
    found = list(Flow().segment(video, prompts))
    first, second = by_frame(found, 1), by_frame(found, 7)
    for t in set(first) & set(second):
        assert not (first[t] & second[t]).any()
    assert quality(second, right, 21) > 0.75


def test_a_given_mask_is_kept_and_carried() -> None:
    patch = Patch((40, 40), (2, 0))
    video = pan(12, [patch])
    masks = by_frame(Flow().segment(video, [Prompt(1, 5, mask=patch.mask(5))]))
    assert np.array_equal(masks[5], patch.mask(5))
    assert quality(masks, patch, 12) > 0.8


def test_points_say_what_is_meant() -> None:
    patch = Patch((60, 40), (2, 0))
    video = pan(9, [patch])
    x0, y0, x1, y1 = patch.box(4)
    middle, beside = ((x0 + x1) / 2, (y0 + y1) / 2), (x0 - 6.0, y0 - 6.0)
    points = np.array([middle, beside], np.float32)
    prompt = Prompt(1, 4, points=points, labels=np.array([True, False]))
    masks = by_frame(Flow().segment(video, [prompt]))
    assert masks[4][round(middle[1]), round(middle[0])]
    assert not masks[4][round(beside[1]), round(beside[0])]
    assert iou(masks[4], patch.mask(4)) > 0.6


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (9, 40), (70, 40)])
def test_any_size_of_frame(height: int, width: int) -> None:
    def draw(t: int) -> Frame:
        return np.full((height, width, 3), 40 * t, np.uint8)

    video = MadeVideo(3, draw, height, width)
    prompt = Prompt(1, 1, box=np.array([0, 0, width, height], np.float32))
    for item in Flow().segment(video, [prompt]):
        assert item.mask.shape == (height, width)


@pytest.mark.parametrize("kind", ["black", "noise", "cut"])
def test_pictures_that_defeat_optical_flow(kind: str) -> None:
    def draw(t: int) -> Frame:
        random = np.random.default_rng(t)
        if kind == "black":
            return np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        if kind == "cut":
            return np.full((HEIGHT, WIDTH, 3), 255 * (t % 2), np.uint8)
        return random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)

    prompts = [Prompt(1, 2, box=np.array([150, 110, 300, 200], np.float32))]
    prompts += [Prompt(2, t, box=np.array([0, 0, WIDTH, HEIGHT], np.float32)) for t in (0, 5)]
    list(Flow().segment(MadeVideo(6, draw), prompts))


def test_one_frame_is_a_video() -> None:
    patch = Patch((60, 40), (0, 0))
    masks = by_frame(Flow().segment(pan(1, [patch]), boxes(patch, [0])))
    assert iou(masks[0], patch.mask(0)) > 0.8


def test_no_prompts_no_masks() -> None:
    assert list(Flow().segment(pan(3, []), [])) == []


def test_same_masks_again_and_with_any_number_of_threads() -> None:
    patch = Patch((20, 40), (3, 1))
    prompts = boxes(patch, [0, 5, 10])
    before = cv2.getNumThreads()
    runs = []
    try:
        for n in (1, 2, 4, 4):
            cv2.setNumThreads(n)
            runs.append(by_frame(Flow().segment(pan(11, [patch]), prompts)))
    finally:
        cv2.setNumThreads(before)
    for run in runs[1:]:
        assert run.keys() == runs[0].keys()
        assert all(np.array_equal(run[t], runs[0][t]) for t in run)


def test_holds_few_frames_whatever_the_length() -> None:
    patch = Patch((20, 40), (0, 0))
    inner = pan(60, [patch], speed=0)
    alive: weakref.WeakSet[np.ndarray] = weakref.WeakSet()
    most = 0

    class Counted(np.ndarray):
        __hash__ = object.__hash__  # type: ignore[assignment]

    def draw(t: int) -> Frame:
        nonlocal most
        frame = inner.frame(t).view(Counted)
        alive.add(frame)
        most = max(most, len(alive))
        return frame

    video = MadeVideo(60, draw)
    # Half the size, so that no small copy is the frame itself.
    for _ in Flow(short_side=HEIGHT // 2).segment(video, boxes(patch, range(0, 60, 5))):
        pass
    assert video.passes == 2
    assert most <= 6


def test_settings() -> None:
    assert isinstance(Flow.from_config(load_config(environment={})), Flow)
    config = load_config(settings=["segmenter.options.speed=3"], environment={})
    with pytest.raises(ConfigError, match="speed"):
        Flow.from_config(config)


def test_minimum_cut_drops_specks_and_keeps_edges() -> None:
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[10:30, 10:30] = 200
    evidence = np.where(picture[..., 0] > 0, 1.5, -1.5).astype(np.float32)
    evidence[20, 20], evidence[3, 3] = -2, 2
    mask = minimum_cut(picture, evidence)
    assert np.array_equal(mask, picture[..., 0] > 0)


def test_ahead_keeps_order_and_passes_errors_on() -> None:
    def items() -> Iterator[int]:
        yield from (1, 2)
        raise RuntimeError("the disk is gone")

    got = []
    with pytest.raises(RuntimeError, match="disk"):
        for item in ahead(items()):
            got.append(item)
    assert got == [1, 2]
    assert list(ahead(iter([3, 4]))) == [3, 4]
