from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from alref_agent.errors import ConfigError, OutputError, VideoError
from alref_agent.media.atomic import whole_file
from alref_agent.media.coco import CocoWriter
from alref_agent.media.masks import (
    Rle,
    decode_rle,
    encode_rle,
    label_map,
    read_binary_png,
    read_label_png,
    write_binary_png,
    write_label_png,
)
from alref_agent.media.palette import COLOURS, davis_palette
from alref_agent.types import Mask


def block(top: int, left: int, bottom: int, right: int, size: tuple[int, int] = (6, 9)) -> Mask:
    mask = np.zeros(size, np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def test_run_lengths_are_cocos() -> None:
    mask = block(1, 2, 4, 7)
    mask[2, 4] = False
    rle = encode_rle(mask)
    assert (rle.height, rle.width) == (6, 9)
    assert isinstance(rle.counts, bytes)
    assert rle.area == 14
    assert rle.box == (2, 1, 5, 3)
    back = decode_rle(rle)
    assert back.dtype == np.bool_
    assert back.flags.c_contiguous
    assert np.array_equal(back, mask)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (5, 4)])
def test_run_lengths_of_every_shape(size: tuple[int, int]) -> None:
    for mask in (np.zeros(size, np.bool_), np.ones(size, np.bool_)):
        rle = encode_rle(mask)
        assert np.array_equal(decode_rle(rle), mask)
        assert rle.area == mask.sum()
    wide = np.zeros((8, 12), np.bool_)
    wide[3:5, 2:9] = True
    assert np.array_equal(decode_rle(encode_rle(wide.T[::-1, ::2])), wide.T[::-1, ::2])


def test_only_masks_are_packed() -> None:
    with pytest.raises(ValueError, match="uint8"):
        encode_rle(np.zeros((3, 3), np.uint8))
    with pytest.raises(ValueError, match=r"\(3,\)"):
        encode_rle(np.zeros(3, np.bool_))


def test_label_map_holds_the_object_ids() -> None:
    labels = label_map({2: block(0, 0, 3, 3), 7: block(2, 2, 5, 5)})
    assert labels.dtype == np.uint8
    assert labels[0, 0] == 2
    assert labels[2, 2] == 7, "of two objects on one pixel the higher id is kept"
    assert labels[5, 8] == 0
    assert np.array_equal(label_map({}, (2, 3)), np.zeros((2, 3), np.uint8))
    assert label_map({255: block(0, 0, 1, 1)}).max() == 255


def test_label_map_refuses_what_a_byte_cannot_hold() -> None:
    for obj_id in (0, 256, -1):
        with pytest.raises(ConfigError, match="255"):
            label_map({obj_id: block(0, 0, 1, 1)})
    with pytest.raises(ValueError, match="bool"):
        label_map({1: block(0, 0, 1, 1), 2: block(0, 0, 1, 1, (4, 4))})


def test_the_palette_is_that_of_davis() -> None:
    palette = davis_palette()
    # As in the data sets' own PNG files.
    assert palette[:9].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [128, 128, 0],
        [0, 0, 128],
        [128, 0, 128],
        [0, 128, 128],
        [128, 128, 128],
        [64, 0, 0],
    ]
    assert palette[[19, 255]].tolist() == [[128, 192, 0], [224, 224, 192]]
    assert len({tuple(c) for c in palette.tolist()}) == 256


def test_drawing_colours_differ() -> None:
    colours = np.array(COLOURS, np.int32)
    apart = np.abs(colours[:, None] - colours[None]).sum(-1) + 999 * np.eye(len(colours))
    assert apart.min() > 90


def test_palette_png(tmp_path: Path) -> None:
    labels = label_map({1: block(0, 0, 2, 2), 3: block(3, 3, 6, 9)})
    path = tmp_path / "masks" / "00000.png"
    write_label_png(path, labels)
    with Image.open(path) as image:
        assert image.mode == "P"
        assert image.size == (9, 6)
        assert image.convert("RGB").getpixel((0, 0)) == (128, 0, 0)
        assert image.convert("RGB").getpixel((5, 5)) == (128, 128, 0)
    assert np.array_equal(read_label_png(path), labels)
    assert [p.name for p in path.parent.iterdir()] == ["00000.png"]


def test_binary_png(tmp_path: Path) -> None:
    mask = block(1, 1, 3, 8)
    write_binary_png(tmp_path / "m.png", mask)
    with Image.open(tmp_path / "m.png") as image:
        assert image.mode == "L"
        assert sorted(set(image.tobytes())) == [0, 255]
    assert np.array_equal(read_binary_png(tmp_path / "m.png"), mask)
    Image.fromarray(mask).save(tmp_path / "bit.png")
    assert np.array_equal(read_binary_png(tmp_path / "bit.png"), mask)


def test_what_is_no_mask_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "rgb.png")
    (tmp_path / "text.png").write_text("no")
    for name, says in (("rgb", "colour picture"), ("text", "cannot be read"), ("none", "cannot")):
        with pytest.raises(VideoError, match=says):
            read_label_png(tmp_path / f"{name}.png")


NAMES = {1: "the dog", 2: 'a "ball" — мяч', 5: "the dog"}


def write_coco(path: Path) -> dict[tuple[int, int], Mask]:
    masks = {
        (1, 0): block(0, 0, 3, 3),
        (2, 0): block(3, 3, 6, 9),
        (5, 2): np.ones((6, 9), np.bool_),
        (1, 2): np.zeros((6, 9), np.bool_),
    }
    with CocoWriter(
        path,
        video_name="v",
        height=6,
        width=9,
        frame_names=["00000", "00005", "00010"],
        names=NAMES,
    ) as writer:
        for (obj_id, frame_idx), mask in masks.items():
            writer.write(obj_id, frame_idx, encode_rle(mask))
        assert not path.exists(), "it appears whole"
    return masks


def test_coco_file_is_what_pycocotools_reads(tmp_path: Path) -> None:
    path = tmp_path / "masks.json"
    masks = write_coco(path)
    coco = COCO(str(path))
    assert [i["file_name"] for i in coco.loadImgs([1, 2, 3])] == [
        "00000.jpg",
        "00005.jpg",
        "00010.jpg",
    ]
    assert {c["name"] for c in coco.loadCats(coco.getCatIds())} == {"the dog", 'a "ball" — мяч'}
    annotations = coco.loadAnns(coco.getAnnIds())
    # An empty mask is no annotation.
    assert [(a["instance_id"], a["image_id"]) for a in annotations] == [(1, 1), (2, 1), (5, 3)]
    for annotation in annotations:
        mask = masks[annotation["instance_id"], annotation["image_id"] - 1]
        assert np.array_equal(coco.annToMask(annotation), mask)
        assert annotation["area"] == mask.sum()
        assert annotation["iscrowd"] == 0
        assert annotation["video_id"] == 1
    assert annotations[1]["bbox"] == [3, 3, 6, 3]
    assert annotations[0]["category_id"] == annotations[2]["category_id"]
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["videos"] == [{"id": 1, "name": "v", "height": 6, "width": 9}]
    assert [i["frame_id"] for i in content["images"]] == [0, 1, 2]


def test_coco_file_without_objects_is_valid(tmp_path: Path) -> None:
    with CocoWriter(
        tmp_path / "m.json", video_name="v", height=2, width=2, frame_names=["0"], names={}
    ):
        pass
    content = json.loads((tmp_path / "m.json").read_text())
    assert (content["annotations"], content["categories"]) == ([], [])


def test_coco_file_does_not_appear_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text("old")
    with (
        pytest.raises(FileNotFoundError, match="weights"),
        CocoWriter(path, video_name="v", height=6, width=9, frame_names=["0"], names=NAMES) as out,
    ):
        out.write(1, 0, encode_rle(block(0, 0, 1, 1)))
        # Not this file's error, so it stays what it is.
        raise FileNotFoundError("weights")
    assert [p.name for p in tmp_path.iterdir()] == ["m.json"]
    assert path.read_text() == "old"


def test_coco_writer_refuses_what_does_not_fit(tmp_path: Path) -> None:
    writer = CocoWriter(
        tmp_path / "m.json", video_name="v", height=6, width=9, frame_names=["0"], names=NAMES
    )
    rle = encode_rle(block(0, 0, 1, 1))
    with pytest.raises(ValueError, match="with block"):
        writer.write(1, 0, rle)
    with writer:
        with pytest.raises(ValueError, match="object 9"):
            writer.write(9, 0, rle)
        with pytest.raises(IndexError, match="frame 1"):
            writer.write(1, 1, rle)
        with pytest.raises(ValueError, match="mask of"):
            writer.write(1, 0, Rle(9, 6, rle.counts))


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with whole_file(path) as beside:
        assert beside.parent == path.parent
        assert beside.suffix == ".txt"
        beside.write_text("one")
        assert not path.exists()
    assert path.read_text() == "one"
    with pytest.raises(KeyError), whole_file(path) as beside:
        beside.write_text("two")
        raise KeyError
    says = r"file\.txt cannot be written: No space left"
    with pytest.raises(OutputError, match=says), whole_file(path) as beside:
        beside.write_text("three")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_text() == "one"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match="cannot be written"):
        write_binary_png(tmp_path / "file" / "m.png", block(0, 0, 1, 1))
    with pytest.raises(OutputError, match=r"m\.json cannot be written"):
        CocoWriter(
            tmp_path / "file" / "m.json",
            video_name="v",
            height=6,
            width=9,
            frame_names=[],
            names={},
        ).__enter__()


@pytest.mark.parametrize("room", [20_000, 90_000])
def test_a_full_disk_is_an_output_error(tmp_path: Path, room: int) -> None:
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from alref_agent.errors import OutputError\n"
        "from alref_agent.media.coco import CocoWriter\n"
        "from alref_agent.media.masks import encode_rle\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)\n"
        "rle = encode_rle(np.eye(40, dtype=np.bool_))\n"
        "try:\n"
        "    with CocoWriter(Path(sys.argv[1]), video_name='v', height=40, width=40,\n"
        "                    frame_names=map(str, range(500)), names={1: 'a'}) as out:\n"
        "        for i in range(500): out.write(1, i, rle)\n"
        "except OutputError as error: print(error)\n"
    )
    path = tmp_path / "m.json"
    done = subprocess.run(
        [sys.executable, "-c", script, str(path), str(room)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "m.json cannot be written: File too large" in done.stdout
    assert list(tmp_path.iterdir()) == []
