from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from alref_agent.agent.boxes import iou, overlap
from alref_agent.agent.strategy import Answer, Choice
from alref_agent.agent.top_box import TopBox
from alref_agent.agent.top_track import TopTrack, choose
from alref_agent.config import Config, load_config
from alref_agent.pipeline import expressions
from alref_agent.tools.detection.detect_objects import DetectedTarget
from alref_agent.types import Floats, ObjectMask, Prompt, Video
from alref_agent.workspace import Workspace
from doubles import N_FRAMES, SquareDetector, big_square, toolbox, workspace


@pytest.fixture
def space(tmp_path: Path, frames_folder: Path) -> Workspace:
    return workspace(tmp_path / "run", frames_folder)


def top_box(space: Workspace, texts: list[str], pivot: str = "first") -> Answer:
    config = load_config(settings=[f"top_box.pivot={pivot}"], environment={})
    return TopBox.from_config(config, toolbox()).run(space, expressions(texts))


def top_track(space: Workspace, texts: list[str]) -> Answer:
    return TopTrack.from_config(Config(), toolbox()).run(space, expressions(texts))


def test_top_box_takes_the_first_frame_as_the_paper(space: Workspace) -> None:
    answer = top_box(space, ["the big square"])
    (record,) = answer.objects
    assert (record.status, record.obj_id, record.label) == ("found", 1, "square")
    assert record.pivots[0].frame_idx == 0
    assert record.pivots[0].box == pytest.approx(big_square(0))
    assert "frame 0" in record.reason


def test_top_box_takes_the_surest_frame_where_told(space: Workspace) -> None:
    answer = top_box(space, ["the big square"], pivot="best")
    # The double is the surer the later; the last frame is among those that are looked at.
    assert answer.objects[0].pivots[0].frame_idx == N_FRAMES - 1


def test_what_is_not_on_the_first_frame_is_no_target_for_first_and_found_for_best(
    space: Workspace,
) -> None:
    (record,) = top_box(space, ["the small square"]).objects
    assert record.status == "no-target"
    assert "No square was seen on frame 0." in record.reason
    assert top_box(space, ["the small square"], "best").objects[0].status == "found"


@pytest.mark.parametrize("strategy", [top_box, top_track])
def test_an_expression_that_means_nothing_known_is_no_target(
    space: Workspace, strategy: object
) -> None:
    answer = strategy(space, ["a dog", "the big square"])  # type: ignore[operator]
    dog, square = answer.objects
    assert (dog.status, dog.reason, dog.n_frames) == ("no-target", "Only squares are known.", 0)
    # What is found comes first, so that the indices of the masks have no gaps.
    assert (square.status, square.obj_id, dog.obj_id) == ("found", 1, 2)
    assert [r.text for r in answer.references] == ["a dog", "the big square"]
    assert answer.references[0].targets == []


@pytest.mark.parametrize("strategy", [top_box, top_track])
def test_where_nothing_is_found_nothing_is_segmented(space: Workspace, strategy: object) -> None:
    answer = strategy(space, ["a dog"])  # type: ignore[operator]
    assert answer.masks is None
    assert "segment_video" not in [call.tool for call in space.calls()]


def test_top_track_finds_what_comes_later_and_follows_it(space: Workspace) -> None:
    (record,) = top_track(space, ["the small square"]).objects
    assert record.status == "found"
    assert {pivot.frame_idx for pivot in record.pivots} <= {5, 10, 11}
    assert "best track" in record.reason


@pytest.mark.parametrize("strategy", [TopBox, TopTrack])
def test_what_is_seen_but_not_surely_is_no_target(
    tmp_path: Path, frames_folder: Path, strategy: type[TopBox] | type[TopTrack]
) -> None:
    space = workspace(tmp_path / "unsure", frames_folder)
    config = load_config(settings=["detector.found_threshold=0.99"], environment={})
    (record,) = strategy.from_config(config, toolbox()).run(space, expressions("a square")).objects
    assert record.status == "no-target"
    assert "No sure square" in record.reason
    assert "not 0.99 (detector.found_threshold)" in record.reason


def test_as_many_objects_as_the_words_ask_for(space: Workspace) -> None:
    records = top_track(space, ["two squares"]).objects
    assert [record.obj_id for record in records] == [1, 2]
    assert {record.exp_id for record in records} == {"0"}
    boxes = [record.pivots[-1].box for record in records]
    assert boxes[0] != boxes[1]


@pytest.mark.parametrize("strategy", [top_box, top_track])
def test_expressions_for_one_object_share_its_id(space: Workspace, strategy: object) -> None:
    answer = strategy(space, ["the big square", "a square that is big"])  # type: ignore[operator]
    assert [record.obj_id for record in answer.objects] == [1, 1]
    assert [record.exp_id for record in answer.objects] == ["0", "1"]
    assert answer.masks is not None
    assert space.masks_on(answer.masks, 3).keys() == {1}


def test_an_object_that_the_segmenter_loses_has_failed(tmp_path: Path, frames_folder: Path) -> None:
    class Blind:
        version = "1"

        def segment(self, video: Video, prompts: Sequence[Prompt]) -> list[ObjectMask]:
            return []

    space = workspace(tmp_path / "blind", frames_folder)
    tools = toolbox(SquareDetector(), Blind())
    answer = TopTrack.from_config(Config(), tools).run(space, expressions("the big square"))
    assert answer.objects[0].status == "failed"
    assert "no pixels" in answer.objects[0].reason


def test_overlap_of_boxes_and_tracks() -> None:
    a = np.array([0, 0, 10, 10], np.float32)
    b = np.array([5, 0, 15, 10], np.float32)
    assert iou(a, b) == pytest.approx(1 / 3)
    assert iou(a, a + 20) == 0
    assert iou(a * 0, a * 0) == 0

    def track(first: int, box: Floats) -> dict[int, Floats]:
        return {first: box, first + 1: box}

    assert overlap(track(0, a), track(0, a)) == 1
    assert overlap(track(0, a), track(1, a)) == pytest.approx(1 / 3)
    assert overlap(track(0, a), track(5, a)) == 0


def _choice(score: float, x: float, size: float, target: int = 0) -> Choice:
    boxes = {i: np.array([x, 0, x + size, size], np.float32) for i in range(3)}
    return Choice("", "dog", score, target, boxes, [])


def _targets(*words: str, count: int = 1) -> list[DetectedTarget]:
    return [DetectedTarget(label="dog", words=w, confidence=1, count=count) for w in words]


def test_sizes_compare_tracks_that_are_never_seen_together() -> None:
    large, small, weak = _choice(1.9, 0, 40), _choice(1.5, 50, 10), _choice(0.2, 80, 2)
    choices = [large, small, weak]
    assert choose(choices, _targets("dog")) == [large]
    assert choose(choices, _targets("big dog")) == [large]
    assert choose(choices, _targets("small dog")) == [small]
    assert choose(choices, _targets("the smallest dogs", count=2)) == [small, large]
    assert choose([], _targets("small dog")) == []


def test_two_targets_do_not_share_an_object() -> None:
    left, right = _choice(1.9, 0, 40, target=0), _choice(1.5, 50, 40, target=0)
    also_left, also_right = _choice(1.9, 1, 40, target=1), _choice(1.4, 50, 40, target=1)
    chosen = choose([left, right, also_left, also_right], _targets("man", "woman"))
    assert chosen == [left, also_right]
