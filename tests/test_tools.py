from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alref_agent.errors import BackendError, ConfigError, UnknownNameError
from alref_agent.tools.detection.detect_objects import DetectObjects
from alref_agent.tools.segmentation.segment_video import SegmentVideo
from alref_agent.tools.tool import Backend, Toolbox
from alref_agent.types import BoxTrack, Detections
from alref_agent.workspace import Workspace
from doubles import (
    HEIGHT,
    N_FRAMES,
    WIDTH,
    NearestBoxSegmenter,
    SquareDetector,
    big_square,
    toolbox,
    workspace,
)
from sheet_reading import find_boxes, find_discs


@pytest.fixture
def space(tmp_path: Path, frames_folder: Path) -> Workspace:
    return workspace(tmp_path / "run", frames_folder)


def test_every_tool_has_a_name_a_sentence_and_schemas() -> None:
    for tool in toolbox():
        assert tool.summary.endswith(".")
        assert json.dumps(tool.arguments.model_json_schema())
        assert json.dumps(tool.result.model_json_schema())
        assert toolbox().named(tool.name).name == tool.name


def test_an_unknown_tool_and_argument_show_the_nearest(space: Workspace) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'sample_frames'"):
        toolbox().named("sample_frame")
    with pytest.raises(ConfigError, match="argument of sample_frames 'sttep'. Did you mean 'step'"):
        toolbox().named("sample_frames")(space, sttep=2)
    with pytest.raises(ConfigError, match="sample_frames: step: Input should be greater than"):
        toolbox().named("sample_frames")(space, step=0)
    with pytest.raises(UnknownNameError, match="Unknown tool 'detect_objects'"):
        Toolbox({}).get(DetectObjects)


def test_sample_frames_takes_every_step_and_the_last(space: Workspace) -> None:
    sample = toolbox().named("sample_frames")
    result = sample(space, step=5)
    assert [f.frame_idx for f in result.frames] == [0, 5, 10, 11]
    assert result.frames[1].frame_name == "00005"
    assert (result.n_frames, result.height, result.width) == (N_FRAMES, HEIGHT, WIDTH)
    few = sample(space, step=1, start=2, stop=9, max_frames=3)
    assert [f.frame_idx for f in few.frames] == [2, 5, 8]
    assert [f.frame_idx for f in sample(space, max_frames=1).frames] == [0]
    with pytest.raises(ConfigError, match="the video has 12"):
        sample(space, start=12)


def opened(space: Workspace, file: Any) -> Any:
    """The pixels of one file of `contact_sheet`, which is what its result says it is."""
    with Image.open(space.folder / file.file) as image:
        assert (image.format, file.mime_type) == ("JPEG", "image/jpeg")
        assert image.size == (file.width, file.height)
        return np.array(image)


def test_contact_sheet_shows_the_frames(space: Workspace) -> None:
    result = toolbox().named("contact_sheet")(space, frames=[0, 11], layout="horizontal")
    (file,) = result.files
    assert (result.frames, file.numbers) == ([0, 11], [1, 2])
    assert file.file == f"record/sheets/{file.digest[:16]}.jpg"
    assert len(file.digest) == 32
    sheet = opened(space, file)
    assert file.width > 2 * file.height  # two pictures of 4:3 side by side
    assert [number for number, *_ in find_discs(sheet)] == [1, 2]
    red = (sheet[..., 0] > 180) & (sheet[..., 1] < 80)
    left, right = np.array_split(red, 2, axis=1)
    # The square starts at the left of the first picture and ends at the right of the second.
    assert np.nonzero(left)[1].mean() / left.shape[1] < 0.4
    assert np.nonzero(right)[1].mean() / right.shape[1] > 0.6


def test_contact_sheet_draws_boxes_and_keeps_to_its_limits(space: Workspace) -> None:
    sheets = toolbox().named("contact_sheet")
    drawn = [
        {"picture": 2, "boxes": [[2, 8, 20, 26], [30, 10, 60, 40]]},
        {"picture": 1, "boxes": []},
    ]
    plain, boxed = (
        sheets(space, frames=[0, 4, 8], layout="vertical", max_side=1024, boxes=boxes).files[0]
        for boxes in ([], drawn)
    )
    assert plain.digest != boxed.digest
    assert max(boxed.height, boxed.width) <= 1024
    assert find_boxes(opened(space, plain)) == []
    found = find_boxes(opened(space, boxed))
    assert [name for name, _ in found] == ["green", "magenta"]
    scale = (found[1][1][2] - found[1][1][0]) / 30
    assert found[1][1][0] - found[0][1][0] == pytest.approx(28 * scale, abs=6)
    small = sheets(space, frames=[0, 4, 8], max_bytes=20_000).files[0]
    assert (space.folder / small.file).stat().st_size <= 20_000
    again = sheets(space, frames=[0, 4, 8], max_bytes=20_001).files[0]
    assert again == small, "named by content"


def test_contact_sheet_makes_a_file_a_frame(space: Workspace) -> None:
    result = toolbox().named("contact_sheet")(space, frames=[3, 1, 2], layout="separate")
    assert [file.numbers for file in result.files] == [[1], [2], [3]]
    assert [find_discs(opened(space, file))[0][0] for file in result.files] == [1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"frames": [12]}, "no frame 12: the video has 0 to 11"),
        ({"frames": [3, 1, 3]}, "frames: 3 is there twice"),
        ({"frames": []}, "frames: List should have at least 1 item"),
        ({"frames": [0], "max_side": 255}, "max_side: Input should be greater than"),
        ({"frames": [0], "max_bytes": 19_999}, "max_bytes: Input should be greater than"),
        ({"frames": [0], "layout": "spiral"}, "layout: Input should be 'vertical'"),
        ({"frames": [0], "boxes": [{"picture": 2, "boxes": []}]}, "no picture 2 among 1"),
        ({"frames": [0], "boxes": [{"picture": 0, "boxes": []}]}, "boxes.0.picture: Input should"),
        ({"frames": [0], "boxes": [{"picture": 1, "boxes": []}] * 2}, "picture 1 is there twice"),
        ({"frames": [0], "boxes": [{"picture": 1, "boxes": [[5, 5, 2, 9]]}]}, "a box is x0, y0"),
        ({"frames": [0], "boxes": [{"picture": 1, "boxes": [[65, 0, 70, 9]]}]}, "is 64 x 48"),
        ({"frames": [0], "boxes": [{"picture": 1, "boxes": [[0, 0, 9]]}]}, "boxes.0.boxes.0.3"),
        (
            {"frames": [0], "boxes": [{"picture": 1, "boxes": [[0, 0, 9, 9]] * 13}]},
            "at most 12 items",
        ),
    ],
)
def test_contact_sheet_says_what_is_wrong(
    space: Workspace, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as error:
        toolbox().named("contact_sheet")(space, **arguments)
    assert said in str(error.value)
    assert not (space.folder / "record").exists()


def test_detect_objects_looks_once_at_a_frame_for_all_expressions(space: Workspace) -> None:
    detector = SquareDetector()
    result = toolbox(detector).named("detect_objects")(
        space, frames=[5, 0, 5], expressions=["a big square", "a dog"]
    )
    assert detector.looked_at == [0, 5]
    square, dog = result.detections
    assert square.targets[0].label == "square"
    assert square.best[0].frame_idx == 5
    assert square.best[0].box == pytest.approx(big_square(5))
    assert square.n_boxes == 2
    assert (dog.targets, dog.n_boxes, dog.best) == ([], 0, [])
    assert dog.reason == "Only squares are known."


def test_nothing_is_looked_at_where_no_expression_means_anything(space: Workspace) -> None:
    detector = SquareDetector()
    toolbox(detector).named("detect_objects")(space, frames=[0], expressions=["a dog"])
    assert detector.looked_at == []


def test_a_detector_that_answers_for_too_few_is_named(space: Workspace) -> None:
    class Short(SquareDetector):
        def detect(self, *args: Any) -> list[list[Detections]]:
            return [[]]

    with pytest.raises(BackendError, match="gave 0 answers for 1 expressions"):
        toolbox(Short()).named("detect_objects")(space, frames=[0], expressions=["a square"])


def test_a_detector_that_answers_for_too_few_frames_is_named(space: Workspace) -> None:
    class Short(SquareDetector):
        batch_size = 2

        def detect(self, *args: Any) -> Any:
            return super().detect(*args)[:1]

    with pytest.raises(BackendError, match="'double' gave answers for 1 of 2 frames"):
        toolbox(Short()).named("detect_objects")(space, frames=[0, 3], expressions=["a square"])


def test_a_detector_gets_no_more_frames_than_it_takes(space: Workspace) -> None:
    class Batched(SquareDetector):
        batch_size = 2

        def __init__(self) -> None:
            super().__init__()
            self.given: list[list[int]] = []

        def detect(self, frames: Any, *args: Any) -> Any:
            self.given.append(list(frames))
            return super().detect(frames, *args)

    detector = Batched()
    together = toolbox(detector).named("detect_objects")(
        space, frames=[9, 0, 5, 3, 7], expressions=["a square", "a dog"]
    )
    assert detector.given == [[0, 3], [5, 7], [9]]
    alone = toolbox(settings={"alone": True}).named("detect_objects")(
        space, frames=[9, 0, 5, 3, 7], expressions=["a square", "a dog"]
    )
    one, other = together.detections[0], alone.detections[0]
    assert (one.n_boxes, one.best) == (other.n_boxes, other.best)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("boxes", [[5, 5, 2, 9]]),
        ("boxes", [[500, 5, 600, 9]]),
        ("boxes", [[np.nan, 5, 9, 9]]),
        ("scores", [1.5]),
        ("scores", [np.nan]),
        ("targets", [3]),
        ("frame_idx", 7),
    ],
)
def test_what_a_detector_may_not_give_is_refused(space: Workspace, field: str, value: Any) -> None:
    class Wrong(SquareDetector):
        def detect(self, *args: Any) -> list[list[Detections]]:
            good = Detections(
                0,
                np.array([[0, 0, 9, 9]], np.float32),
                np.ones(1, np.float32),
                ("square",),
                np.zeros(1, np.int32),
            )
            dtype = {"boxes": np.float32, "scores": np.float32, "targets": np.int32}.get(field)
            changed: Any = {field: np.array(value, dtype) if dtype else value}
            return [[replace(good, **changed)]]

    with pytest.raises(BackendError, match="frame 0"):
        toolbox(Wrong()).named("detect_objects")(space, frames=[0], expressions=["a square"])


def test_boxes_are_cut_to_the_frame(space: Workspace) -> None:
    class Large(SquareDetector):
        def detect(self, *args: Any) -> list[list[Detections]]:
            boxes = np.array([[-50, -5, 999, 20]], np.float32)
            zero = np.zeros(1, np.int32)
            return [[Detections(0, boxes, np.ones(1, np.float32), ("square",), zero)]]

    found = toolbox(Large()).named("detect_objects")(space, frames=[0], expressions=["a square"])
    assert found.detections[0].best[0].box == (0, 0, WIDTH, 20)


def test_detect_link_segment_one_after_the_other(space: Workspace) -> None:
    tools = toolbox()
    found = tools.named("detect_objects")(space, frames=[0, 4, 8, 11], expressions=["a big square"])
    linked = tools.named("link_boxes")(space, detections=[found.detections[0].id])
    track = linked.linked[0].tracks[0]
    assert (track.label, track.first_frame, track.last_frame) == ("square", 0, 11)
    assert track.n_detected == 4
    done = tools.named("segment_video")(space, objects=[{"obj_id": 7, "box_track": track.id}])
    assert done.objects[0].n_frames == N_FRAMES
    x0, y0, x1, y1 = big_square(8)
    truth = np.zeros((HEIGHT, WIDTH), np.bool_)
    truth[y0:y1, x0:x1] = True
    assert np.array_equal(space.masks_on(done.masks, 8)[7], truth)


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ([], "objects: List should have at least 1 item"),
        ([{"obj_id": 1}], "object 1 has no prompt"),
        ([{"obj_id": 0, "box_track": "box-track-1"}], "objects.0.obj_id"),
        ([{"obj_id": 1, "prompts": [{"frame_idx": 0}]}], "a prompt needs box, points or masks"),
        (
            [{"obj_id": 1, "prompts": [{"frame_idx": 99, "box": [0, 0, 5, 5]}]}],
            "no frame 99",
        ),
        (
            [{"obj_id": 1, "prompts": [{"frame_idx": 0, "box": [9, 0, 5, 5]}]}],
            "a box is x0 < x1, y0 < y1",
        ),
        (
            [{"obj_id": 1, "prompts": [{"frame_idx": 0, "points": [[1, 2]], "labels": []}]}],
            "as many labels as points",
        ),
        ([{"obj_id": 1, "prompts": [{"frame_idx": 0, "masks": "masks-9"}]}], "Unknown masks id"),
        ([{"obj_id": 1, "prompts": [{"frame_idx": 0, "box": [0, 0, 9, 9]}]}] * 2, "may come once"),
        (
            [{"obj_id": 1, "prompts": [{"frame_idx": 0, "box": [90, 0, 99, 9]}]}],
            "lies outside the frame, which is 64 x 48",
        ),
        ([{"obj_id": 1, "prompts": [{"frame_idx": 0, "points": [[3, 48]]}]}], "lies outside"),
        (
            [{"obj_id": 1, "prompts": [{"frame_idx": 0, "box": [0, 0, float("inf"), 9]}]}],
            "finite number",
        ),
    ],
)
def test_wrong_prompts_say_what_is_wrong(space: Workspace, objects: list[Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        toolbox().named("segment_video")(space, objects=objects)
    assert said in str(error.value)


def test_a_segmenter_is_told_which_boxes_of_a_track_were_seen(space: Workspace) -> None:
    seen: list[Any] = []

    class Keeps(NearestBoxSegmenter):
        def segment(self, video: Any, prompts: Any) -> Any:
            seen.extend(prompts)
            return super().segment(video, prompts)

    track = BoxTrack(
        target=0,
        label="square",
        score=1.5,
        motion=0.0,
        frame_idxs=np.array([0, 4, 8], np.int32),
        boxes=np.array([big_square(t) for t in (0, 4, 8)], np.float32),
        scores=np.array([0.9, 0.0, 0.75], np.float32),
    )
    item = space.add_box_track(track)
    toolbox(segmenter=Keeps()).named("segment_video")(
        space, objects=[{"obj_id": 1, "box_track": item}]
    )
    assert [p.confidence for p in seen] == pytest.approx([0.9, 0.0, 0.75])


def test_wrong_prompts_are_refused_before_a_model_is_loaded(space: Workspace) -> None:
    def load() -> Any:
        raise AssertionError("it was loaded")

    tool = SegmentVideo(Backend("segmenter", "never", load, {}))
    outside = {"frame_idx": 0, "box": [90, 0, 99, 9]}
    with pytest.raises(ConfigError, match="lies outside the frame"):
        tool(space, objects=[{"obj_id": 1, "prompts": [outside]}])


def test_masks_and_points_reach_the_segmenter(space: Workspace) -> None:
    seen = []

    class Keeps(NearestBoxSegmenter):
        def segment(self, video: Any, prompts: Any) -> Any:
            seen.extend(prompts)
            return super().segment(video, [p for p in prompts if p.box is not None])

    tool = toolbox(segmenter=Keeps()).named("segment_video")
    box = list(big_square(0))
    first = tool(space, objects=[{"obj_id": 1, "prompts": [{"frame_idx": 0, "box": box}]}])
    prompts = [
        {"frame_idx": 0, "box": box},
        {"frame_idx": 0, "masks": first.masks},
        {"frame_idx": 2, "points": [[3, 4], [5, 6]], "labels": [True, False]},
        {"frame_idx": 3, "points": [[3, 4]]},
    ]
    tool(space, objects=[{"obj_id": 1, "prompts": prompts}])
    mask, points, default = seen[2:]
    assert mask.mask.sum() == (big_square(0)[2] - big_square(0)[0]) * 14
    assert points.points.tolist() == [[3, 4], [5, 6]]
    assert points.labels.tolist() == [True, False]
    assert default.labels.tolist() == [True]


def test_a_call_is_recorded_once_and_answered_from_the_record(space: Workspace) -> None:
    detector = SquareDetector()
    detect = toolbox(detector).named("detect_objects")
    first = detect(space, frames=[0], expressions=["a square"])
    again = detect(space, frames=[0], expressions=["a square"])
    assert again == first
    assert detector.looked_at == [0]
    (call,) = space.calls()
    assert (call.tool, call.backend, call.version) == ("detect_objects", "double", "1")
    assert call.arguments == {
        "frames": [0],
        "expressions": ["a square"],
        "box_threshold": None,
    }
    assert call.result == first.model_dump(mode="json")


def test_other_settings_are_another_call(space: Workspace) -> None:
    detector = SquareDetector()
    for threshold in (0.1, 0.2):
        tools = toolbox(detector, settings={"box_threshold": threshold})
        tools.named("detect_objects")(space, frames=[0], expressions=["a square"])
    assert detector.looked_at == [0, 0]
    assert len(space.calls()) == 2


def test_progress_is_told(tmp_path: Path, frames_folder: Path) -> None:
    class Listener:
        def __init__(self) -> None:
            self.heard: list[tuple[str, int]] = []

        def track(self, items: Any, stage: str, total: int) -> Any:
            items = list(items)
            self.heard.append((stage, len(items)))
            assert total >= len(items)
            return iter(items)

    listener = Listener()
    space = workspace(tmp_path / "run", frames_folder, listener)
    toolbox().named("detect_objects")(space, frames=[0, 3], expressions=["a square"])
    assert listener.heard == [("detect", 2)]
