from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alref_agent.media.boxes_drawn import Rect
from alref_agent.media.palette import COLOUR_NAMES, COLOURS, colour, colour_name
from alref_agent.media.sheet import contact_sheets
from alref_agent.media.sheet_drawn import Place, Sheet
from alref_agent.media.sheet_layout import Layout
from alref_agent.media.text import plate
from alref_agent.types import Frame
from media_files import picture
from sheet_reading import find_boxes, find_discs
from sheets_made import LAYOUTS, SIZES, apart, boxes, noisy, one, part, through_jpeg


def written(pixels: Frame, rect: Rect, number: int) -> int:
    """The number on a label in the colour of box `number`, compared with all labels up to 12."""
    seen = part(pixels, rect).astype(np.float64)
    height = next(h for h in range(1, 200) if plate(1, h, colour(0)).shape[0] == seen.shape[0])
    apart: dict[int, float] = {}
    for n in range(1, 13):
        fresh = plate(n, height, colour(number - 1)).astype(np.float64)
        if fresh.shape == seen.shape:
            apart[n] = float(np.abs(fresh - seen).mean())
    return min(apart, key=apart.__getitem__)


CROWDS = {
    "apart": boxes((20, 60, 290, 240), (300, 60, 480, 140), (590, 300, 830, 470)),
    "one in another": boxes(*((20 + 30 * i, 90 + 20 * i, 834 - 30 * i, 470 - 20 * i)
                              for i in range(6))),
    "the same": boxes(*[(200, 100, 600, 400)] * 12),
    "the same, small": boxes(*[(400, 200, 430, 230)] * 4),
    "the whole frame": boxes(*[(-50, -50, 5000, 5000)] * 3),
    "corners": boxes((0, 0, 30, 30), (824, 0, 854, 30), (0, 450, 30, 480), (824, 450, 854, 480)),
    "tiny": boxes(*((100 + 60 * i, 200, 101 + 60 * i, 201) for i in range(12))),
    "a row": boxes(*((60 * i, 200, 60 * i + 60, 400) for i in range(12))),
    "on each other": boxes(*((300 + 25 * i, 200 + 12 * i, 380 + 25 * i, 280 + 12 * i)
                             for i in range(12))),
    "lines": boxes((0, 240, 854, 240), (427, 0, 427, 480), (3, 3, 3, 477), (0, 479, 854, 480)),
}  # fmt: skip


def check_boxes(sheet: Sheet, number: int, n_boxes: int) -> Place:
    """That all is seen and nothing hides anything, and the place of the picture."""
    place = sheet.places[number - 1]
    assert len(place.boxes) == len(place.labels) == n_boxes
    for label, other in combinations([place.disc, *place.labels], 2):
        assert apart(label, other)
    seen = through_jpeg(sheet.pixels)
    height, width = seen.shape[:2]
    for n, (box, label) in enumerate(zip(place.boxes, place.labels, strict=True), start=1):
        assert label[0] >= 0 <= label[1] and label[2] <= width and label[3] <= height
        assert all(other is place or apart(label, other.frame) for other in sheet.places)
        assert written(seen, label, n) == n
        inside = part(sheet.pixels, box)
        assert (inside == colour(n - 1)).all(-1).sum() > 0.3 * 2 * sum(inside.shape[:2])
        assert all(a >= b for a, b in zip(box[:2], place.frame[:2], strict=True))
        assert all(a <= b for a, b in zip(box[2:], place.frame[2:], strict=True))
    return place


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("crowd", CROWDS)
def test_labels_are_read_wherever_boxes_are(layout: Layout, crowd: str) -> None:
    drawn = CROWDS[crowd]
    sheets = list(contact_sheets(noisy(5, (480, 854)), layout, boxes={1: drawn, 4: drawn}))
    if layout == "separate":
        for number in (1, 4):
            alone = Sheet(sheets[number - 1].pixels, sheets[number - 1].places)
            check_boxes(alone, 1, len(drawn))
        assert not sheets[1].places[0].boxes
    else:
        for number in (1, 4):
            check_boxes(sheets[0], number, len(drawn))


@pytest.mark.parametrize("layout", ["vertical", "horizontal", "grid"])
@pytest.mark.parametrize("size", SIZES[:-1])
def test_labels_are_read_on_frames_of_any_shape(layout: Layout, size: tuple[int, int]) -> None:
    height, width = size
    shares = boxes((0.1, 0.2, 0.4, 0.9), (0.3, 0.1, 0.6, 0.7), (0.7, 0.3, 0.9, 0.8), (0, 0, 1, 1))
    drawn = shares * np.array([width, height] * 2, np.float32)
    sheet = one(noisy(5, size), layout, boxes={2: drawn})
    place = sheet.places[1]
    for label, other in combinations([place.disc, *place.labels], 2):
        assert apart(label, other)
    for n, label in enumerate(place.labels, start=1):
        assert label[3] - label[1] >= 14 + 6, "digits 14 pixels high"
        assert written(through_jpeg(sheet.pixels), label, n) == n


def test_lines_of_equal_boxes_lie_side_by_side() -> None:
    frame = np.full((480, 854, 3), 90, np.uint8)
    place = one([frame], boxes={1: CROWDS["the same"]}).places[0]
    for one_box, other in combinations(place.boxes, 2):
        assert all(abs(a - b) >= 5 for a, b in zip(one_box, other, strict=True))
    assert place.boxes[0] == (196, 96, 604, 404), "the first around what it encloses"
    assert all(max(abs(a - b) for a, b in zip(place.boxes[0], k, strict=True)) < 70
               for k in place.boxes)  # fmt: skip


def test_a_label_stands_outside_its_box_and_touches_it() -> None:
    place = one([picture(1, (480, 854))], boxes={1: CROWDS["apart"]}).places[0]
    for box, label in zip(place.boxes, place.labels, strict=True):
        assert apart(box, label)
        assert not apart((box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1), label)
    (whole,) = one([picture(1, (480, 854))], boxes={1: boxes((0, 0, 854, 480))}).places
    assert not apart(whole.boxes[0], whole.labels[0])


def test_no_disc_stands_on_a_box_that_it_would_hide() -> None:
    hidden = one([picture(n, (480, 854)) for n in range(4)], "grid", boxes={2: CROWDS["corners"]})
    assert all(apart(place.disc, place.frame) for place in hidden.places)
    assert apart(hidden.places[1].disc, hidden.places[1].boxes[0])
    seen = one([picture(n, (480, 854)) for n in range(4)], "grid", boxes={2: CROWDS["apart"]})
    assert not any(apart(place.disc, place.frame) for place in seen.places)


def test_labels_are_as_large_on_large_frames() -> None:
    def label_height(size: tuple[int, int]) -> int:
        drawn = boxes((0.3, 0.3, 0.6, 0.6)) * np.array([size[1], size[0]] * 2, np.float32)
        x0, y0, x1, y1 = (
            one([picture(n, size) for n in range(5)], boxes={3: drawn}).places[2].labels[0]
        )
        assert x0 < x1
        return y1 - y0

    assert label_height((2160, 3840)) == label_height((1080, 1920)) == label_height((432, 768)) > 24


def test_boxes_that_are_no_boxes_do_no_harm() -> None:
    strange = boxes(
        (np.nan, 0, 9, 9), (np.inf, -np.inf, 5, 5), (40, 40, 10, 10), (1e30, 0, 2e30, 9)
    )
    place = one([picture(1, (240, 320))], boxes={1: strange}).places[0]
    assert len(place.labels) == 4
    assert one([picture(1, (240, 320))], boxes={1: boxes()}).places[0].boxes == ()


def test_any_shape_and_number_is_drawn() -> None:
    rng = np.random.default_rng(1)
    for _ in range(150):
        size = tuple(int(v) for v in np.exp(rng.uniform(0, 6.5, 2)))
        n = int(rng.choice([1, 2, 3, 5, 9, 10, 33, 64]))
        side = int(rng.choice([64, 256, 300, 777, 2048]))
        layout = LAYOUTS[int(rng.integers(4))]
        drawn = rng.uniform(-0.2, 1.2, (int(rng.integers(0, 13)), 4)).astype(np.float32)
        drawn *= np.array([size[1], size[0]] * 2, np.float32)
        frames = [np.zeros((*size, 3), np.uint8)] * n
        for sheet in contact_sheets(frames, layout, side, {1: drawn, n: drawn}):
            height, width = sheet.pixels.shape[:2]
            assert max(height, width) <= side
            for place in sheet.places:
                for rect in (place.frame, place.disc, *place.boxes):
                    assert 0 <= rect[0] < rect[2] <= width
                    assert 0 <= rect[1] < rect[3] <= height


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
    assert len(COLOUR_NAMES) == len(set(COLOUR_NAMES)) == len(COLOURS)
    assert [colour_name(n) for n in (0, 5, 11, 12)] == ["green", "yellow", "teal", "green"]


@pytest.mark.parametrize("layout", ["vertical", "horizontal", "grid"])
def test_real_frames_are_read_from_pixels_alone(
    layout: Layout, shared: Callable[[str], Path]
) -> None:
    drawn = boxes(
        (50, 50, 300, 400), (400, 100, 800, 300), (200, 200, 500, 470),
        (30, 300, 90, 380), (600, 250, 640, 300), (640, 60, 700, 120),
    )  # fmt: skip
    for folder in sorted(shared("davis16/JPEGImages").iterdir()):
        files = sorted(folder.glob("*.jpg"))[:50:10]
        frames = [np.array(Image.open(file)) for file in files]
        sheet = one(frames, layout, boxes={4: drawn})
        for quality in (85, 60):
            seen = through_jpeg(sheet.pixels, quality)
            found = find_discs(seen)
            assert [number for number, *_ in found] == list(range(1, len(frames) + 1))
            for (name, rect), (wanted, true) in zip(
                sorted(find_boxes(seen)),
                sorted(zip(COLOUR_NAMES, sheet.places[3].boxes, strict=False)),
                strict=True,
            ):
                assert name == wanted
                assert max(abs(a - b) for a, b in zip(rect, true, strict=True)) <= 3
