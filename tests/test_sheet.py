from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from alref_agent.media.palette import COLOURS
from alref_agent.media.sheet import Layout, contact_sheet, draw_boxes, encode_jpeg, encode_png
from alref_agent.media.text import disc
from media_files import number_of, picture

SHAPES: dict[Layout, tuple[int, int]] = {"vertical": (5, 1), "horizontal": (1, 5), "grid": (3, 2)}


@pytest.mark.parametrize("layout", SHAPES)
def test_frames_stand_in_reading_order(layout: Layout) -> None:
    rows, columns = SHAPES[layout]
    frames = [(n, picture(n, (180, 240))) for n in range(1, 6)]
    sheet = contact_sheet(frames, layout)
    height, width = sheet.shape[0] // rows, sheet.shape[1] // columns
    assert abs(height - 180) <= 4
    assert abs(width - 240) <= 4
    for place in range(5):
        row, column = divmod(place, columns)
        cell = sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
        assert number_of(cell[-60:-20, -60:-20]) == place + 1, "the picture"
        corner = cell[:60, :60].reshape(-1, 3)
        assert (corner == 0).all(-1).sum() > 200, "the black disc in the upper-left corner"
        assert (corner == 255).all(-1).sum() > 30, "its number and rim in white"


@pytest.mark.parametrize("layout", SHAPES)
@pytest.mark.parametrize("size", [(720, 1280), (1280, 720), (40, 2000), (2000, 40), (9, 9)])
@pytest.mark.parametrize("max_side", [512, 2048])
def test_the_longer_side_is_bounded_and_used(
    layout: Layout, size: tuple[int, int], max_side: int
) -> None:
    sheet = contact_sheet([(n, picture(n, size)) for n in range(5)], layout, max_side)
    rows = SHAPES[layout][0]
    assert max(sheet.shape[:2]) <= max_side
    if size[0] * rows > max_side:
        assert max(sheet.shape[:2]) > 0.9 * max_side, "not smaller than it must be"
    if size == (9, 9):
        assert max(sheet.shape[:2]) <= 9 * 5 + 4 * 4, "never enlarged"


def test_the_grid_keeps_frames_as_large_as_it_can() -> None:
    wide = contact_sheet([(n, picture(n, (90, 160))) for n in range(4)], "grid")
    assert wide.shape[1] / wide.shape[0] == pytest.approx(16 / 9, rel=0.05), "two by two"
    tall = contact_sheet([(n, picture(n, (200, 50))) for n in range(4)], "grid")
    assert tall.shape[0] < 210, "four side by side"


def test_one_frame_has_no_seam() -> None:
    assert contact_sheet([(1, picture(1, (100, 90)))]).shape == (100, 90, 3)


def test_frames_of_different_sizes_and_none_are_refused() -> None:
    with pytest.raises(ValueError, match="one size"):
        contact_sheet([(1, picture(1)), (2, picture(2, (9, 9)))])
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])


def test_numbers_differ_and_fit_their_disc() -> None:
    seen = set()
    for number in (0, 1, 6, 8, 9, 10, 12, 21, 100, 101, 1234):
        drawn, opacity = disc(number, 40)
        assert drawn.shape == opacity.shape == (40, 40, 3)
        # The number is white on black and leaves the black between it and the rim.
        inside = drawn[..., 0] > 128
        rows, columns = np.mgrid[:40, :40] - 19.5
        between = (np.hypot(rows, columns) > 15.2) & (np.hypot(rows, columns) < 16)
        assert inside[between].mean() < 0.25
        assert inside[np.hypot(rows, columns) < 15].sum() > 30
        seen.add(drawn.tobytes())
    assert len(seen) == 11


BOXES = np.array(
    [[20, 60, 90, 140], [100, 60, 180, 140], [-50, -50, 900, 900], [190, 100, 230, 170]], np.float32
)


def test_boxes_have_their_colours_in_order() -> None:
    frame = np.full((180, 240, 3), 90, np.uint8)
    drawn = draw_boxes(frame, BOXES, ["1", "2", "3", "4"])
    assert (frame == 90).all()
    for at, colour in zip([(100, 20), (100, 180), (177, 120), (130, 230)], COLOURS, strict=False):
        around = drawn[at[0] - 2 : at[0] + 3, at[1] - 2 : at[1] + 3].reshape(-1, 3)
        assert (around == colour).all(-1).any()
    assert (drawn[100, 50] == 90).all(), "the inside stays as it is"


def test_the_first_six_colours_are_those_the_prompts_name() -> None:
    def hue(rgb: tuple[int, int, int]) -> int:
        return Image.new("RGB", (1, 1), rgb).convert("HSV").getpixel((0, 0))[0] * 360 // 255  # type: ignore[index]

    green, magenta, orange, blue, red, yellow = (hue(c) for c in COLOURS[:6])
    assert 110 < green < 160
    assert 290 < magenta < 320
    assert 25 < orange < 42
    assert 200 < blue < 240
    assert red < 10 or red > 350
    assert 45 < yellow < 62


def test_labels_of_boxes_that_coincide_are_all_seen() -> None:
    frame = np.full((240, 320, 3), 90, np.uint8)
    same = np.tile(np.array([[100, 80, 220, 180]], np.float32), (4, 1))
    drawn = draw_boxes(frame, same, ["1", "2", "3", "4"])
    for colour in COLOURS[:4]:
        assert (drawn == colour).all(-1).sum() > 60, "the plate behind the number"
    with pytest.raises(ValueError, match="4 labels"):
        draw_boxes(frame, same, ["1"])
    assert np.array_equal(draw_boxes(frame, np.zeros((0, 4), np.float32), []), frame)


def test_pictures_survive_encoding() -> None:
    frame = draw_boxes(picture(5, (180, 240)), BOXES[:2], ["1", "2"])
    with Image.open(io.BytesIO(encode_png(frame))) as image:
        assert image.format == "PNG"
        assert np.array_equal(np.array(image), frame)
    with Image.open(io.BytesIO(encode_jpeg(frame))) as image:
        assert image.format == "JPEG"
        assert np.abs(np.array(image).astype(int) - frame).mean() < 3
    assert len(encode_jpeg(frame, quality=30)) < len(encode_jpeg(frame))
