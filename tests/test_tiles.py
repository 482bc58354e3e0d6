"""Tiles of a frame, and the boxes that are found in them."""

from __future__ import annotations

import numpy as np
import pytest

from alref_agent.tools.detection.tiles import (
    Found,
    Layout,
    Tile,
    cut,
    fuse,
    overlaps,
    suppress,
    tiles,
)


@pytest.mark.parametrize(("height", "width"), [(480, 854), (854, 480), (90, 400), (1, 3), (2, 2)])
@pytest.mark.parametrize("layout", ["squares", "fine"])
def test_tiles_lie_inside_and_cover(height: int, width: int, layout: Layout) -> None:
    found = tiles(height, width, layout)
    assert found[0] == Tile(0, 0, width, height)
    seen = np.zeros((height, width), np.bool_)
    for tile in found[1:]:
        assert 0 <= tile.x0 < tile.x1 <= width and 0 <= tile.y0 < tile.y1 <= height
        assert tile.x1 - tile.x0 == tile.y1 - tile.y0
        seen[tile.y0 : tile.y1, tile.x0 : tile.x1] = True
    assert len(found) == 1 or seen.all()


def test_video_is_three_squares() -> None:
    assert [tile.x0 for tile in tiles(480, 854)[1:]] == [0, 187, 374]
    assert [tile.x0 for tile in tiles(480, 854, "centre")[1:]] == [187]
    assert len(tiles(480, 854, "whole")) == 1
    assert len(tiles(480, 500)) == 1
    # A panorama must not cost minutes.
    assert len(tiles(100, 100_000)) < 20


def test_only_inner_edges_cut() -> None:
    tile = Tile(100, 0, 200, 100)
    boxes = np.array(
        [[100, 10, 150, 50], [120, 10, 200, 50], [120, 0, 150, 100], [120, 10, 150, 50]],
        np.float32,
    )
    assert cut(boxes, tile, 100, 300).tolist() == [True, True, False, False]
    assert cut(boxes, Tile(100, 0, 200, 100), 100, 200).tolist() == [True, False, False, False]


def test_overlaps() -> None:
    box = np.array([0, 0, 10, 10], np.float32)
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [2, 2, 4, 4], [20, 20, 30, 30]], np.float32)
    iou, smaller = overlaps(others, box)
    assert np.allclose(iou, [1, 1 / 3, 0.04, 0])
    assert np.allclose(smaller, [1, 0.5, 1, 0])


def test_suppress_keeps_groups_apart_and_ties_in_order() -> None:
    boxes = np.array([[0, 0, 10, 10]] * 3 + [[50, 50, 60, 60]], np.float32)
    scores = np.array([0.5, 0.5, 0.9, 0.1], np.float32)
    groups = np.array([1, 1, 2, 1], np.int32)
    assert suppress(boxes, scores, groups, 0.5).tolist() == [2, 0, 3]
    assert suppress(boxes[:0], scores[:0], groups[:0], 0.5).tolist() == []


def test_fuse_puts_a_box_between_its_sightings() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10]], np.float32)
    found = Found(boxes, np.full(3, 0.5, np.float32), np.array([1, 1, 2], np.int32))
    fused = fuse(found)
    assert fused.classes.tolist() == [1, 2]
    assert fused.boxes[0].tolist() == [0.5, 0, 10.5, 10]
    assert fused.boxes[1].tolist() == [0, 0, 10, 10]
    assert fused.scores.tolist() == [0.5, 0.5]
