from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alref_agent import Run
from alref_agent.errors import ConfigError, VideoError
from alref_agent.media.coco import CocoWriter
from alref_agent.media.fingerprint import fingerprint
from alref_agent.media.masks import encode_rle
from alref_agent.outputs import object_names
from alref_agent.record import ObjectRecord, RunResult, Status, VideoRecord
from doubles import picture


def result() -> RunResult:
    video = VideoRecord(
        source="x", fingerprint="0", n_frames=2, height=4, width=4, fps=1, start=0, end=2, every=1
    )
    return RunResult(
        alref_agent="0", created="now", video=video, references=[], strategy="s", config={},
        objects=[], files={"masks": "masks"},
    )  # fmt: skip


def test_masks_come_in_the_order_of_the_frames_and_whole(tmp_path: Path) -> None:
    run = Run.write(tmp_path, result())
    assert not run.whole
    with pytest.raises(VideoError, match=r"masks\.json cannot be read"):
        list(run.masks())
    (tmp_path / "masks").mkdir()
    left, middle = np.zeros((2, 4, 4), np.bool_)
    left[:, :3] = middle[1:3, 1:] = True
    written = CocoWriter(
        tmp_path / "masks.json", video_name="x", height=4, width=4,
        frame_names=["9", "10", "11"], names={1: "a", 7: "b"},
    )  # fmt: skip
    with written as coco:
        coco.write(7, 2, encode_rle(middle))
        coco.write(7, 0, encode_rle(middle))
        coco.write(1, 0, encode_rle(left))
    first, second, third = Run.open(tmp_path).masks()
    assert (list(first), list(second), list(third)) == ([1, 7], [], [7])
    assert np.array_equal(first[1], left)
    assert np.array_equal(first[7], middle)
    assert Run.open(tmp_path).whole


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": 2, "more": 1}, "has the format 2, this version reads 1"),
        ({"schema_version": 0}, "has the format 0"),
        ({"more": 1}, "more: Extra inputs"),
        ({"objects": 3}, "objects: Input should be"),
    ],
)
def test_a_result_of_another_kind_says_so(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    content = result().model_dump(mode="json") | change
    (tmp_path / "result.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=said):
        Run.open(tmp_path)
    (tmp_path / "result.json").write_text("[]")
    with pytest.raises(ConfigError, match="is no result of a run"):
        Run.open(tmp_path)
    with pytest.raises(ConfigError, match="no finished run"):
        Run.open(tmp_path / "nowhere")


@pytest.mark.parametrize("depth", [300, 100_000])
def test_a_result_that_is_nested_too_deeply_is_none(tmp_path: Path, depth: int) -> None:
    text = json.dumps(result().model_dump(mode="json") | {"config": {"a": "DEEP"}})
    deep = '{"a":' * depth + "1" + "}" * depth
    (tmp_path / "result.json").write_text(text.replace('"DEEP"', deep))
    with pytest.raises(ConfigError, match=r"is no result of a run(: Invalid JSON|\.$)"):
        Run.open(tmp_path)


def test_a_fingerprint_changes_with_names_sizes_and_content(tmp_path: Path) -> None:
    files = [tmp_path / f"{i}.png" for i in range(3)]
    for i, file in enumerate(files):
        Image.fromarray(picture(i)).save(file)
    first = fingerprint(files)
    assert fingerprint(files) == first
    assert fingerprint(files[:2]) != first
    content = bytearray(files[1].read_bytes())
    content[len(content) // 2] ^= 1
    files[1].write_bytes(content)
    assert fingerprint(files) != first
    film = tmp_path / "film.mp4"
    film.write_bytes(bytes(5_000_000))
    whole = fingerprint([film])
    content = bytearray(film.read_bytes())
    content[2_400_000:2_600_000] = b"x" * 200_000
    film.write_bytes(content)
    assert fingerprint([film]) != whole


def test_objects_are_named_by_their_expressions_and_told_apart_within_one() -> None:
    def record(obj_id: int, exp_id: str, text: str, label: str, status: Status) -> ObjectRecord:
        return ObjectRecord(
            obj_id=obj_id, exp_id=exp_id, expression=text, label=label, status=status, reason=""
        )

    pair = "the man and the bike that he is riding along"
    objects = [
        record(1, "0", pair, "person", "found"),
        record(2, "0", pair, "bicycle", "failed"),
        record(3, "1", "the dog", "dog", "found"),
        record(3, "2", "a puppy", "dog", "found"),
        record(4, "3", "a cat", "cat", "no-target"),
    ]
    assert object_names(objects) == {
        1: "person: the man and the bike …",
        2: "bicycle: the man and the bike …",
        3: "the dog / a puppy",
    }
