from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from alref_agent.media.sheet import contact_sheets, encode_jpeg, encoded_sheets, pixel_digest
from alref_agent.media.sheet_layout import Layout
from alref_agent.media.text import disc
from alref_agent.types import Frame
from media_files import number_of, picture
from sheet_reading import find_discs, number_on
from sheets_made import LAYOUTS, SIZES, apart, boxes, noisy, one, part, through_jpeg

SHAPES: dict[Layout, tuple[int, int]] = {"vertical": (5, 1), "horizontal": (1, 5), "grid": (3, 2)}
COUNTS = [(n, size) for n in (1, 5, 12) for size in SIZES if n * size[0] < 20_000]
COUNTS += [(64, (480, 854)), (64, (100, 2000)), (64, (16, 16))]


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


def test_a_file_is_as_small_as_it_must_be() -> None:
    frames = noisy(5, (480, 854))
    frames = [
        frame + np.random.default_rng(0).integers(0, 9, frame.shape, np.uint8) for frame in frames
    ]
    drawn = {2: boxes((20, 60, 290, 240), (300, 60, 480, 140))}
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
    assert earlier is not None and earlier[1] < 85


def test_noise_fits_too() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (5, 480, 854, 3), np.uint8)
    for layout in LAYOUTS:
        for file in encoded_sheets(list(noise), layout, max_bytes=20_000):
            assert len(file.data) <= 20_000


def test_the_digest_is_of_the_pixels() -> None:
    frames = [picture(n, (240, 320)) for n in range(3)]
    (file,) = encoded_sheets(frames)
    assert file.digest == pixel_digest(one(frames).pixels, "image/jpeg", 85)
    assert len(file.digest) == 32
    changed = [frame.copy() for frame in frames]
    changed[2][200, 300, 1] ^= 1
    assert next(encoded_sheets(changed)).digest != file.digest
    pixels = one(frames).pixels
    others = [
        pixel_digest(pixels, "image/jpeg", 60),
        pixel_digest(pixels, "image/png", 85),
        pixel_digest(pixels.reshape(pixels.shape[1], pixels.shape[0], 3), "image/jpeg", 85),
    ]
    assert len({file.digest, *others}) == 4


def test_pictures_survive_encoding() -> None:
    frame = one([picture(5, (240, 320))], boxes={1: boxes((50, 60, 150, 200))}).pixels
    with Image.open(io.BytesIO(encode_jpeg(frame))) as image:
        assert image.format == "JPEG"
        assert np.abs(np.array(image).astype(int) - frame).mean() < 3
    assert len(encode_jpeg(frame, quality=30)) < len(encode_jpeg(frame))
