from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from alref_agent.errors import BackendError, ConfigError, OutputError, VideoError
from alref_agent.media.video import open_video
from alref_agent.types import BoxTrack, Detections, Grounding, ObjectMask, Target
from alref_agent.workspace import STORE_NAME, Workspace
from doubles import HEIGHT, N_FRAMES, WIDTH, workspace


def test_detections_come_back_as_they_were_even_in_another_process(
    tmp_path: Path, frames_folder: Path
) -> None:
    space = workspace(tmp_path / "run", frames_folder)
    grounding = Grounding((Target("dog", "puppy", 0.9, 2),), "a puppy is a dog")
    boxes = np.array([[0.1, 0.2, 30.7, 40.9]], np.float32)
    frame = Detections(3, boxes, np.array([0.3], np.float32), ("dog",), np.zeros(1, np.int32))
    item = space.add_detections("the puppies", grounding, [frame])
    space.close()

    again = Workspace.open(tmp_path / "run")
    expression, understood, frames = again.detections(item)

    assert (expression, understood) == ("the puppies", grounding)
    assert frames[0].frame_idx == 3
    assert np.array_equal(frames[0].boxes, boxes)
    assert frames[0].boxes.dtype == np.float32


def test_ids_count_up_by_kind_and_an_unknown_one_shows_the_nearest(
    tmp_path: Path, frames_folder: Path
) -> None:
    space = workspace(tmp_path / "run", frames_folder)
    track = BoxTrack(
        0,
        "dog",
        1.0,
        0.5,
        np.array([2, 5], np.int32),
        np.ones((2, 4), np.float32),
        np.array([0.5, 0], np.float32),
    )
    assert [space.add_box_track(track) for _ in range(2)] == ["box-track-1", "box-track-2"]
    assert space.box_track("box-track-2").frame_idxs.tolist() == [2, 5]
    with pytest.raises(ConfigError, match="Unknown box-track id 'box-track-3'. Did you mean"):
        space.box_track("box-track-3")
    with pytest.raises(ConfigError, match="Unknown detections id 'box-track-1'"):
        space.detections("box-track-1")


def test_masks_are_kept_by_object_and_frame_and_empty_ones_are_not(
    tmp_path: Path, frames_folder: Path
) -> None:
    space = workspace(tmp_path / "run", frames_folder)
    shape = np.zeros((HEIGHT, WIDTH), np.bool_)
    shape[5:9, 6:20] = True
    item = space.add_masks(
        [ObjectMask(2, 4, shape), ObjectMask(2, 1, shape), ObjectMask(1, 4, ~shape & False)],
        obj_ids=[1, 2],
    )
    assert space.masks_on(item, 4).keys() == {2}
    assert np.array_equal(space.masks_on(item, 4)[2], shape)
    assert space.masks_on(item, 0) == {}
    assert space.masks_summary(item) == {2: (2, 1, 4)}


def test_a_segmenter_that_breaks_its_word_is_named(tmp_path: Path, frames_folder: Path) -> None:
    space = workspace(tmp_path / "run", frames_folder)
    mask = ObjectMask(1, 0, np.ones((HEIGHT, WIDTH), np.bool_))
    with pytest.raises(BackendError, match=r"mask of \(2, 2\) for object 1 on frame 0"):
        space.add_masks([ObjectMask(1, 0, np.ones((2, 2), np.bool_))], [1])
    with pytest.raises(BackendError, match="object 2 on frame 0: nobody asked"):
        space.add_masks([ObjectMask(2, 0, mask.mask)], [1])
    with pytest.raises(BackendError, match="frame 99: nobody asked"):
        space.add_masks([ObjectMask(1, 99, mask.mask)], [1])
    with pytest.raises(BackendError, match="gave a ndarray"):
        space.add_masks([mask.mask], [1])  # type: ignore[list-item]
    with pytest.raises(BackendError, match="two masks for object 1 on frame 0"):
        space.add_masks([mask, mask], [1])


def test_what_a_failed_call_kept_is_gone(tmp_path: Path, frames_folder: Path) -> None:
    space = workspace(tmp_path / "run", frames_folder)
    with pytest.raises(RuntimeError), space.recording():
        item = space.add_masks([ObjectMask(1, 0, np.ones((HEIGHT, WIDTH), np.bool_))], [1])
        raise RuntimeError
    with pytest.raises(ConfigError, match="Unknown masks id"):
        space.masks_on(item, 0)


def test_one_process_at_a_time(tmp_path: Path, frames_folder: Path) -> None:
    space = workspace(tmp_path / "run", frames_folder)
    code = (
        "import sys; from pathlib import Path; from alref_agent.workspace import Workspace\n"
        "Workspace.open(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    other = subprocess.run(command, capture_output=True, text=True)
    assert "is in use by another process" in other.stderr
    space.close()
    assert subprocess.run(command).returncode == 0


def test_a_folder_goes_on_with_the_same_request_only(tmp_path: Path, frames_folder: Path) -> None:
    video = open_video(frames_folder)
    (tmp_path / "run").mkdir()
    Workspace.create(tmp_path / "run", video, {"config": {"seed": 0}}).close()
    Workspace.create(tmp_path / "run", video, {"config": {"seed": 0}}).close()
    with pytest.raises(ConfigError, match=r"config\.seed: then 0, now 1"):
        Workspace.create(tmp_path / "run", video, {"config": {"seed": 1}})
    part = open_video(frames_folder, every=2)
    with pytest.raises(ConfigError, match=r"other settings \(video\."):
        Workspace.create(tmp_path / "run", part, {"config": {"seed": 0}})


def test_a_video_that_changed_is_noticed(tmp_path: Path, frames_folder: Path) -> None:
    workspace(tmp_path / "run", frames_folder).close()
    (frames_folder / f"{N_FRAMES - 1:05d}.png").unlink()
    with pytest.raises(VideoError, match="is gone or has changed"):
        Workspace.open(tmp_path / "run")


def test_a_folder_that_is_none_and_a_damaged_one(tmp_path: Path, frames_folder: Path) -> None:
    with pytest.raises(ConfigError, match="is no workspace"):
        Workspace.open(tmp_path)
    (tmp_path / STORE_NAME).touch()  # of a process that was killed before it wrote anything
    with pytest.raises(ConfigError, match="is no workspace"):
        Workspace.open(tmp_path)
    workspace(tmp_path / "run", frames_folder).close()
    (tmp_path / "run" / STORE_NAME).write_bytes(b"not a database at all" * 100)
    with pytest.raises(OutputError, match="is damaged"):
        Workspace.open(tmp_path / "run")
