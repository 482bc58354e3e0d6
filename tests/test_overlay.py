from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from alref_agent.errors import OutputError
from alref_agent.media.audio import audio_info, read_audio
from alref_agent.media.drawing import MaskPainter, paint_masks
from alref_agent.media.overlay import OverlayWriter
from alref_agent.media.palette import COLOURS
from alref_agent.media.text import font_for, ink_on, label
from alref_agent.media.video import OpenedVideo, open_video
from alref_agent.types import Frame, Mask
from media_files import RATE, chirp, delay, number_of, picture, write_video

GREY = np.full((120, 160, 3), 128, np.uint8)


def disc(x: float, y: float, radius: float, size: tuple[int, int] = (120, 160)) -> Mask:
    rows, columns = np.mgrid[: size[0], : size[1]]
    mask: Mask = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    return mask


def write_overlay(
    path: Path,
    video: OpenedVideo,
    masks: Mapping[int, Mask] | None = None,
    names: Mapping[int, str] | None = None,
    **settings: object,
) -> OverlayWriter:
    path.unlink(missing_ok=True)
    with OverlayWriter(path, video, names or {}, **settings) as writer:  # type: ignore[arg-type]
        for i, frame in video.frames():
            writer.write(i, frame, masks or {})
        assert not path.exists(), "it appears whole"
    return writer


def test_the_mask_is_tinted_and_outlined_and_the_rest_is_untouched() -> None:
    mask = disc(100, 80, 25)
    before = GREY.copy()
    drawn = paint_masks(GREY, {1: mask}, {1: ""})
    assert np.array_equal(GREY, before), "the frame itself stays"
    near = disc(100, 80, 29)
    assert np.array_equal(drawn[~near], GREY[~near])
    colour = np.array(COLOURS[0], int)
    middle = drawn[80, 100].astype(int)
    assert np.abs(middle - (0.55 * 128 + 0.45 * colour)).max() <= 1
    edge = drawn[80, 75].astype(int)
    assert np.abs(edge - colour).sum() < np.abs(middle - colour).sum()
    assert np.array_equal(paint_masks(GREY, {1: np.zeros_like(mask)}, {1: "a"}), GREY)


def test_a_hole_is_outlined_and_not_filled() -> None:
    ring = disc(80, 60, 40) & ~disc(80, 60, 20)
    drawn = paint_masks(GREY, {1: ring}, {1: ""})
    assert np.array_equal(drawn[60, 80], GREY[60, 80])
    rim = drawn[60, 57:64].astype(int)
    assert np.abs(rim - COLOURS[0]).sum(-1).min() < 100, "the hole has an outline of its own"


def test_objects_have_colours_of_their_own() -> None:
    names = {3: "", 8: "", 5: ""}
    drawn = paint_masks(GREY, {8: disc(120, 60, 10), 3: disc(30, 60, 10)}, names)
    assert not np.array_equal(drawn[60, 120], drawn[60, 30])
    alone = paint_masks(GREY, {8: disc(120, 60, 10)}, names)
    assert np.array_equal(alone[60, 120], drawn[60, 120]), "whatever else is in the picture"
    with pytest.raises(ValueError, match="object 4"):
        paint_masks(GREY, {4: disc(1, 1, 1)}, names)
    with pytest.raises(ValueError, match=r"mask 3"):
        paint_masks(GREY, {3: disc(1, 1, 1, (9, 9))}, names)


def label_place(drawn: Frame, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Where a label's box lies: left, top, right, bottom of its pure colour."""
    rows, columns = np.nonzero((drawn == colour).all(-1))
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


@pytest.mark.parametrize("at", [(5, 5), (155, 5), (5, 115), (155, 115), (80, 60)])
def test_the_name_stays_inside_the_picture(at: tuple[int, int]) -> None:
    mask = disc(*at, 4)
    plain = paint_masks(GREY, {1: mask}, {1: ""})
    drawn = paint_masks(GREY, {1: mask}, {1: "a dog"})
    changed = np.argwhere((plain != drawn).any(-1))
    (top, left), (bottom, right) = changed.min(0), changed.max(0)
    words = label("a dog", 10, COLOURS[0], 72)
    # A whole box, cut at no border.
    assert abs((bottom - top + 1) - words.shape[0]) <= 3
    assert abs((right - left + 1) - words.shape[1]) <= 3
    # Near its object, and not on it.
    assert abs((top + bottom) / 2 - at[1]) < 30
    assert np.array_equal(drawn[mask], plain[mask])


def test_names_do_not_cover_each_other_nor_small_objects() -> None:
    masks = {1: disc(70, 60, 30), 2: disc(66, 22, 4), 3: disc(74, 22, 4)}
    names = {1: "man", 2: "ball", 3: "cap"}
    drawn = paint_masks(GREY, masks, names)
    bare = paint_masks(GREY, masks, dict.fromkeys(names, ""))
    for obj_id in (2, 3):
        assert np.array_equal(drawn[masks[obj_id]], bare[masks[obj_id]])
    # Each label's box is a rectangle of its colour plus its letters, with no other one in it.
    boxes = []
    for obj_id, colour in zip((1, 2, 3), COLOURS, strict=False):
        only = np.where((bare == drawn).all(-1, keepdims=True), 0, drawn)
        boxes.append(label_place(only, colour))
        expected = label(names[obj_id], 10, colour, 72)
        assert boxes[-1][3] - boxes[-1][1] + 1 == expected.shape[0]
    for i, (l1, t1, r1, b1) in enumerate(boxes):
        for l2, t2, r2, b2 in boxes[i + 1 :]:
            assert r1 < l2 or r2 < l1 or b1 < t2 or b2 < t1


def test_the_name_moves_calmly_and_jumps_with_a_cut() -> None:
    painter = MaskPainter({1: "dog"})

    def top_of(y: float) -> int:
        drawn = painter.paint(GREY, {1: disc(80, y, 6)})
        changed = drawn.copy()
        changed[disc(80, y, 9)] = 128
        return label_place(changed, COLOURS[0])[1]

    tops = [top_of(70 + (6 if i % 2 else -6)) for i in range(12)]
    # The object shakes by 12 pixels.
    assert max(tops[4:]) - min(tops[4:]) <= 4
    there = top_of(112)
    assert there > max(tops) + 20


def test_names_in_any_script_are_drawn() -> None:
    for text in ("dog", "naïve Größe", "мяч", "犬と猫", "🐕", "", "a\nb\tc", "ok\x00\ud7ff"):
        words = label(text, 14, (0, 200, 80), 300)
        assert words.ndim == 3
        if text:
            assert len(np.unique(words.reshape(-1, 3), axis=0)) > 1, text
    assert not np.array_equal(label("мяч", 14, (0, 0, 0), 300), label("миф", 14, (0, 0, 0), 300))
    assert font_for("", 12) is font_for("", 12)


def test_a_long_name_is_wrapped_and_cut() -> None:
    long = "the man in the red shirt who juggles three balls before a wall of yellow bricks"
    one, two = label("the man", 14, (0, 0, 0), 200), label(long, 14, (0, 0, 0), 200)
    assert one.shape[0] < two.shape[0] <= 2 * one.shape[0]
    assert two.shape[1] <= 200
    assert label("x" * 500, 14, (0, 0, 0), 60).shape[1] <= 60


def test_letters_are_readable_on_every_colour() -> None:
    def light(rgb: tuple[int, int, int]) -> float:
        r, g, b = ((c / 255) ** 2.2 for c in rgb)
        return float(0.2126 * r + 0.7152 * g + 0.0722 * b)

    for colour in COLOURS:
        ink, paper = light(ink_on(colour)), light(colour)
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) > 2.9


def test_overlay_plays_as_the_video_does(tmp_path: Path) -> None:
    video = open_video(write_video(tmp_path / "v.mp4", [picture(i, (120, 160)) for i in range(20)]))
    path = tmp_path / "out" / "overlay.mp4"
    writer = write_overlay(path, video, {1: disc(100, 80, 25)}, {1: "dog"})
    assert writer.warnings == []
    assert [p.name for p in path.parent.iterdir()] == ["overlay.mp4"]
    made = open_video(path)
    assert (made.n_frames, made.height, made.width) == (20, 120, 160)
    assert made.fps == pytest.approx(RATE)
    assert [made.time(i) for i in range(20)] == pytest.approx([video.time(i) for i in range(20)])
    assert made.span == pytest.approx(video.span)
    for i, frame in made.frames():
        corner = frame[:20, :20]
        assert number_of(corner) == i
        assert frame[80, 100, 1] > frame[80, 100, 0] + 20, "the tint is green"
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "plays before it is loaded"
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")


def test_overlay_keeps_variable_times_ranges_and_strides(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.05, 0.5, 0.533, 1.9, 2.0, 3.5]
    source = write_video(tmp_path / "v.mkv", 8, times=times)
    for cut in ({}, {"start": 2, "end": 7}, {"every": 3}):
        video = open_video(source, **cut)
        write_overlay(tmp_path / "o.mp4", video)
        made = open_video(tmp_path / "o.mp4")
        begin = video.time(0)
        assert [made.time(i) for i in range(made.n_frames)] == pytest.approx(
            [video.time(i) - begin for i in range(video.n_frames)], abs=1e-3
        )
        assert made.span[1] == pytest.approx(video.span[1] - begin, abs=2e-3)


@pytest.mark.parametrize("size", [(47, 63), (48, 63), (47, 64), (1, 1)])
def test_odd_sides_grow_by_one_pixel(tmp_path: Path, size: tuple[int, int]) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(picture(i + 9, size)).save(folder / f"{i}.png")
    write_overlay(tmp_path / "o.mp4", open_video(folder))
    made = open_video(tmp_path / "o.mp4")
    assert (made.height, made.width) == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    last = made.frame(2)
    assert abs(int(last[-1, -1, 0]) - int(last[0, 0, 0])) <= 4, "no dark border"
    assert made.fps == pytest.approx(24)


def test_one_frame_lasts_as_long_as_in_the_video(tmp_path: Path) -> None:
    video = open_video(write_video(tmp_path / "v.mp4", 1))
    write_overlay(tmp_path / "o.mp4", video)
    assert open_video(tmp_path / "o.mp4").span == pytest.approx((0, 1 / RATE), abs=1e-3)


SOUNDS = {
    "aac, copied": ("v.mp4", "libx264", "aac", 48_000, "stereo", "aac"),
    "aac from a transport stream, copied": ("v.ts", "libx264", "aac", 48_000, "mono", "aac"),
    "mp3, copied": ("v.mkv", "libx264", "libmp3lame", 44_100, "stereo", "mp3float"),
    "ac3, copied": ("v.mkv", "libx264", "ac3", 48_000, "5.1", "ac3"),
    "opus, made aac": ("v.webm", "libvpx", "libopus", 48_000, "stereo", "aac"),
    "flac at 96 kHz, made aac": ("v.mkv", "libx264", "flac", 96_000, "stereo", "aac"),
    "raw, made aac": ("v.mov", "libx264", "pcm_s16le", 44_100, "mono", "aac"),
}


@pytest.mark.parametrize("kind", SOUNDS)
def test_the_sound_is_kept_and_cut_with_the_pictures(tmp_path: Path, kind: str) -> None:
    name, codec, sound_codec, rate, layout, kept = SOUNDS[kind]
    source = write_video(
        tmp_path / name,
        75,
        codec=codec,
        sound=chirp(3, rate),
        sound_codec=sound_codec,
        sound_rate=rate,
        layout=layout,
    )
    for cut in ({}, {"start": "1.2s", "end": "2.8s"}):
        video = open_video(source, **cut)  # type: ignore[arg-type]
        path = tmp_path / "o.mp4"
        assert write_overlay(path, video).warnings == []
        info = audio_info(path)
        assert info is not None
        assert info.codec == kept
        expected, heard = read_audio(source, 16_000, *video.span), read_audio(path)
        assert abs(len(heard) - len(expected)) < 1_600
        # A millisecond, which is what Matroska's time stamps are rounded to.
        assert abs(delay(expected[2_000:24_000], heard[2_000:24_000])) <= 16
        assert open_video(path).n_frames == video.n_frames


def test_sound_can_come_from_elsewhere_or_be_left_out(tmp_path: Path) -> None:
    with_sound = write_video(tmp_path / "v.mp4", 25, sound=chirp(1, 48_000))
    silent = open_video(write_video(tmp_path / "silent.mp4", 25))
    write_overlay(tmp_path / "a.mp4", silent, audio_from=with_sound)
    assert audio_info(tmp_path / "a.mp4") is not None
    write_overlay(tmp_path / "b.mp4", open_video(with_sound), sound=False)
    assert audio_info(tmp_path / "b.mp4") is None
    writer = write_overlay(tmp_path / "c.mp4", silent, audio_from=tmp_path / "silent.mp4")
    assert "no sound" in writer.warnings[0]
    assert open_video(tmp_path / "c.mp4").n_frames == 25


def test_after_an_error_there_is_no_file_and_the_error_stays_itself(tmp_path: Path) -> None:
    video = open_video(write_video(tmp_path / "v.mp4", 5, sound=chirp(0.2, 48_000)))
    path = tmp_path / "out" / "o.mp4"
    with pytest.raises(FileNotFoundError, match="weights"), OverlayWriter(path, video, {}) as out:
        out.write(0, video.frame(0), {})
        raise FileNotFoundError("weights")
    assert list(path.parent.iterdir()) == []
    with pytest.raises(OutputError, match="cannot be written"):
        OverlayWriter(tmp_path / "v.mp4" / "o.mp4", video, {}).__enter__()


def test_frames_come_in_order_and_fit(tmp_path: Path) -> None:
    video = open_video(write_video(tmp_path / "v.mp4", 5))
    writer = OverlayWriter(tmp_path / "o.mp4", video, {})
    with pytest.raises(ValueError, match="with block"):
        writer.write(0, picture(0), {})
    with writer:
        writer.write(2, picture(0), {})
        with pytest.raises(ValueError, match="after frame 2"):
            writer.write(2, picture(0), {})
        with pytest.raises(ValueError, match="expected"):
            writer.write(3, picture(0, (10, 10)), {})
    assert open_video(tmp_path / "o.mp4").n_frames == 1


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mp4", 10)
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from alref_agent.errors import OutputError\n"
        "from alref_agent.media.overlay import OverlayWriter\n"
        "from alref_agent.media.video import open_video\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "video, noise = open_video(sys.argv[1]), np.random.default_rng(0)\n"
        "try:\n"
        "    with OverlayWriter(Path(sys.argv[2]), video, {}) as out:\n"
        "        for i in range(10):\n"
        "            out.write(i, noise.integers(0, 256, (48, 64, 3)).astype(np.uint8), {})\n"
        "except OutputError as error: print(error)\n"
    )
    path = tmp_path / "out" / "o.mp4"
    done = subprocess.run(
        [sys.executable, "-c", script, str(source), str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "o.mp4 cannot be written: File too large" in done.stdout
    assert done.stderr == ""
    assert list(path.parent.iterdir()) == []
