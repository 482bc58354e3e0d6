from __future__ import annotations

import io
from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alref_agent.media.boxes_drawn import Rect
from alref_agent.media.palette import COLOUR_NAMES, COLOURS, colour, colour_name
from alref_agent.media.sheet import contact_sheets, encode_jpeg, encoded_sheets, pixel_digest
from alref_agent.media.sheet_drawn import Place, Sheet
from alref_agent.media.sheet_layout import Layout
from alref_agent.media.text import disc, plate
from alref_agent.types import Floats, Frame
from media_files import number_of, picture
from sheet_reading import find_boxes, find_discs, number_on

SHAPES: dict[Layout, tuple[int, int]] = {"vertical": (5, 1), "horizontal": (1, 5), "grid": (3, 2)}
LAYOUTS: tuple[Layout, ...] = ("vertical", "horizontal", "grid", "separate")
SIZES = [(480, 854), (854, 480), (100, 2000), (2000, 100), (10, 2000), (2160, 3840), (48, 64)]
SIZES += [(16, 16), (1, 1)]
COUNTS = [(n, size) for n in (1, 5, 12) for size in SIZES if n * size[0] < 20_000]
COUNTS += [(64, (480, 854)), (64, (100, 2000)), (64, (16, 16))]


def noisy(n: int, size: tuple[int, int]) -> list[Frame]:
    """Frames with edges of all colours, which are hard to read numbers and lines on."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (n, 12, 12, 3), np.uint8)
    return [
        np.array(Image.fromarray(s).resize((size[1], size[0]), Image.Resampling.NEAREST))
        for s in small
    ]


def boxes(*xyxy: tuple[float, float, float, float]) -> Floats:
    return np.array(xyxy, np.float32).reshape(-1, 4)


def one(frames: list[Frame], layout: Layout = "vertical", **options: object) -> Sheet:
    (sheet,) = contact_sheets(frames, layout, **options)  # type: ignore[arg-type]
    return sheet


def through_jpeg(pixels: Frame, quality: int = 60) -> Frame:
    with Image.open(io.BytesIO(encode_jpeg(pixels, quality))) as image:
        return np.array(image)


def part(pixels: Frame, rect: Rect) -> Frame:
    return pixels[rect[1] : rect[3], rect[0] : rect[2]]


def apart(one: Rect, other: Rect) -> bool:
    return any(one[axis + 2] <= other[axis] or other[axis + 2] <= one[axis] for axis in (0, 1))


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


@pytest.mark.parametrize("layout", SHAPES)
def test_frames_stand_in_reading_order(layout: Layout) -> None:
    rows, columns = SHAPES[layout]
    sheet = one([picture(n, (240, 320)) for n in range(1, 6)], layout)
    for index, place in enumerate(sheet.places):
        row, column = divmod(index, columns)
        assert place.number == index + 1
        assert place.frame[2] - place.frame[0] == 320
        assert place.frame[3] - place.frame[1] == 240
        assert abs(place.frame[1] - row * sheet.pixels.shape[0] / rows) < 10
        assert abs(place.frame[0] - column * sheet.pixels.shape[1] / columns) < 10
        assert number_of(part(sheet.pixels, place.frame)[-60:-20, -60:-20]) == index + 1
        assert np.hypot(place.disc[0] - place.frame[0], place.disc[1] - place.frame[1]) < 12
        corner = part(sheet.pixels, place.disc).reshape(-1, 3)
        assert (corner == 0).all(-1).sum() > 200, "the black disc in the upper left corner"
        assert (corner == 255).all(-1).sum() > 30, "its number and rim in white"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("n", "size"), COUNTS)
def test_every_number_can_be_read_after_jpeg(layout: Layout, size: tuple[int, int], n: int) -> None:
    sheets = list(contact_sheets(noisy(n, size), layout))
    assert len(sheets) == (n if layout == "separate" else 1)
    places = [place for sheet in sheets for place in sheet.places]
    assert [place.number for place in places] == list(range(1, n + 1))
    for sheet in sheets:
        assert max(sheet.pixels.shape[:2]) <= 2048
        seen = through_jpeg(sheet.pixels)
        for place in sheet.places:
            assert place.disc[2] - place.disc[0] >= 34, "digits 14 pixels wide"
            assert number_on(seen, place.disc) == place.number
        found = find_discs(seen)
        assert [number for number, *_ in found] == [place.number for place in sheet.places]
        for (_, x, y, diameter), place in zip(found, sheet.places, strict=True):
            assert abs(x - place.disc[0]) <= 1
            assert abs(y - place.disc[1]) <= 1
            assert abs(diameter - (place.disc[2] - place.disc[0])) <= 2


@pytest.mark.parametrize("layout", SHAPES)
@pytest.mark.parametrize("size", [(720, 1280), (1280, 720), (40, 2000), (2000, 40), (9, 9)])
@pytest.mark.parametrize("max_side", [64, 256, 512, 2048, 8192])
def test_the_longer_side_is_bounded_and_used(
    layout: Layout, size: tuple[int, int], max_side: int
) -> None:
    sheet = one([picture(n, size) for n in range(5)], layout, max_side=max_side)
    longest = max(sheet.pixels.shape[:2])
    assert longest <= max_side
    if size[0] * SHAPES[layout][0] > max_side and min(size) > 40:
        assert longest > 0.9 * max_side, "not smaller than it must be"


def test_small_frames_are_enlarged_where_there_is_room() -> None:
    for layout in SHAPES:
        place = one([picture(n, (48, 64)) for n in range(5)], layout).places[0]
        assert (place.frame[2], place.frame[3]) == (320, 240)
    place = one([picture(n, (48, 64)) for n in range(5)], "vertical", max_side=512).places[0]
    assert 90 < place.frame[3] < 512 / 5
    (alone,) = contact_sheets([picture(0, (300, 400))], "separate")
    assert alone.pixels.shape == (300, 400, 3), "large enough as it is, and no seam"


def test_the_grid_keeps_frames_as_large_as_it_can() -> None:
    wide = one([picture(n, (900, 1600)) for n in range(4)], "grid").pixels
    assert wide.shape[1] / wide.shape[0] == pytest.approx(16 / 9, rel=0.05), "two by two"
    tall = one([picture(n, (2000, 500)) for n in range(4)], "grid").pixels
    assert tall.shape == (2000, 4 * 500 + 3 * 8, 3), "four side by side"


def test_a_column_that_would_be_too_thin_goes_on_in_a_second() -> None:
    down = one([picture(n, (480, 854)) for n in range(64)], "vertical").places
    assert all(p.frame[3] - p.frame[1] >= 64 for p in down)
    steps = [(b.frame[0] - a.frame[0], b.frame[1] - a.frame[1]) for a, b in pairwise(down)]
    assert sum(y > 0 and x == 0 for x, y in steps) > 56, "it still reads downwards"
    across = one([picture(n, (854, 480)) for n in range(64)], "horizontal").places
    assert all(p.frame[2] - p.frame[0] >= 64 for p in across)
    few = one([picture(n, (480, 854)) for n in range(5)], "vertical", max_side=512).places
    assert len({p.frame[0] for p in few}) == 1


def test_discs_stand_beside_frames_that_are_too_thin() -> None:
    for size in [(10, 2000), (2000, 10), (40, 2000)]:
        for place in one(noisy(3, size), "grid").places:
            assert apart(place.disc, place.frame)


def test_frames_of_different_sizes_and_none_are_refused() -> None:
    with pytest.raises(ValueError, match=r"frames of \(48, 64, 3\) expected, got \(9, 9, 3\)"):
        one([picture(1), picture(2, (9, 9))])
    with pytest.raises(ValueError, match="at least one"):
        one([])
    with pytest.raises(ValueError, match=r"boxes on pictures \[3\], but there are 2"):
        one([picture(1), picture(2)], boxes={3: boxes((0, 0, 9, 9))})


def test_frames_are_asked_for_once_and_not_changed() -> None:
    class Counts:
        def __init__(self) -> None:
            self.asked: list[int] = []
            self.frame = picture(3, (240, 320))

        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int, /) -> Frame:
            self.asked.append(index)
            return self.frame

    for layout in LAYOUTS:
        frames = Counts()
        drawn = {2: boxes((10, 10, 90, 90))}
        assert list(encoded_sheets(frames, layout, max_bytes=20_000, boxes=drawn))
        assert frames.asked == [0, 1, 2, 3]
        assert np.array_equal(frames.frame, picture(3, (240, 320)))


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


def test_a_file_is_as_small_as_it_must_be() -> None:
    frames = noisy(5, (480, 854))
    frames = [
        frame + np.random.default_rng(0).integers(0, 9, frame.shape, np.uint8) for frame in frames
    ]
    drawn = {2: CROWDS["apart"]}
    earlier: tuple[int, int] | None = None
    for max_bytes in (4_000_000, 800_000, 400_000, 200_000, 60_000, 20_000):
        (file,) = encoded_sheets(frames, max_bytes=max_bytes, boxes=drawn)
        assert len(file.data) <= max_bytes
        with Image.open(io.BytesIO(file.data)) as image:
            assert (image.format, image.size) == ("JPEG", (file.width, file.height))
            seen = np.array(image)
        now = file.width * file.height, file.quality
        assert earlier is None or now[0] <= earlier[0]
        if now[0] < 700 * 2000:
            assert len(file.data) > 0.5 * max_bytes, "not smaller than it must be"
        earlier = now
        assert [number for number, *_ in find_discs(seen)] == [1, 2, 3, 4, 5]
        assert list(encoded_sheets(frames, max_bytes=max_bytes, boxes=drawn)) == [file]
    assert earlier is not None and earlier[1] < 92


def test_noise_fits_too() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (5, 480, 854, 3), np.uint8)
    for layout in LAYOUTS:
        for file in encoded_sheets(list(noise), layout, max_bytes=20_000):
            assert len(file.data) <= 20_000


def test_the_digest_is_of_the_pixels() -> None:
    frames = [picture(n, (240, 320)) for n in range(3)]
    (file,) = encoded_sheets(frames)
    assert file.digest == pixel_digest(one(frames).pixels, "image/jpeg", 92)
    assert len(file.digest) == 32
    changed = [frame.copy() for frame in frames]
    changed[2][200, 300, 1] ^= 1
    assert next(encoded_sheets(changed)).digest != file.digest
    pixels = one(frames).pixels
    others = [
        pixel_digest(pixels, "image/jpeg", 60),
        pixel_digest(pixels, "image/png", 92),
        pixel_digest(pixels.reshape(pixels.shape[1], pixels.shape[0], 3), "image/jpeg", 92),
    ]
    assert len({file.digest, *others}) == 4


def test_pictures_survive_encoding() -> None:
    frame = one([picture(5, (240, 320))], boxes={1: boxes((50, 60, 150, 200))}).pixels
    with Image.open(io.BytesIO(encode_jpeg(frame))) as image:
        assert image.format == "JPEG"
        assert np.abs(np.array(image).astype(int) - frame).mean() < 3
    assert len(encode_jpeg(frame, quality=30)) < len(encode_jpeg(frame))


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
        for quality in (92, 60):
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
