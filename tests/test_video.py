from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from alref_agent.errors import ConfigError, VideoError
from alref_agent.media.video import open_video, parse_position
from media_files import (
    RATE,
    number_of,
    overwrite_packets,
    picture,
    rotate,
    skip_first,
    write_sound,
    write_video,
)

CLIPS = Path(__file__).parents[1].parent / "shared" / "data" / "clips"

FILES = {
    "mp4": ("v.mp4", "libx264", "yuv420p", {"bf": "3"}),
    "mpeg-ts": ("v.ts", "libx264", "yuv420p", {}),
    "open groups": ("v.mkv", "libx264", "yuv420p", {"x264-params": "open-gop=1:bframes=3"}),
    "intra refresh": ("v.ts", "libx264", "yuv420p", {"x264-params": "intra-refresh=1"}),
    "no time stamps": ("v.h264", "libx264", "yuv420p", {}),
    "avi with B-frames": ("v.avi", "libx264", "yuv420p", {}),
    "mpeg-4": ("v.avi", "mpeg4", "yuv420p", {"bf": "2", "qmax": "2"}),
    "mpeg-2": ("v.mpg", "mpeg2video", "yuv420p", {"bf": "2", "qmax": "2"}),
    "hevc": ("v.mp4", "libx265", "yuv420p", {"x265-params": "log-level=0"}),
    "vp8": ("v.webm", "libvpx", "yuv420p", {}),
    "vp9": ("v.webm", "libvpx-vp9", "yuv420p", {"lag-in-frames": "10"}),
    "flv": ("v.flv", "flv", "yuv420p", {}),
    "gif": ("v.gif", "gif", "gray", {}),
    "mjpeg": ("v.avi", "mjpeg", "yuvj420p", {}),
    "10 bit": ("v.mp4", "libx264", "yuv420p10le", {}),
    "12 bit with alpha": ("v.mov", "prores_ks", "yuva444p10le", {}),
    "16-bit grey": ("v.mkv", "ffv1", "gray16le", {}),
    "8-bit grey": ("v.mkv", "ffv1", "gray", {}),
}


def numbers(video: object, *cut: int | None) -> list[int]:
    return [number_of(frame) for _, frame in video.frames(*cut)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", FILES)
def test_every_way_to_a_frame_gives_the_same_pixels(tmp_path: Path, kind: str) -> None:
    name, codec, pix_fmt, options = FILES[kind]
    path = write_video(tmp_path / name, 30, codec=codec, pix_fmt=pix_fmt, options=options)
    video = open_video(path)
    assert (video.n_frames, video.height, video.width) == (30, 48, 64)
    read = list(video.frames())
    assert [i for i, _ in read] == list(range(30))
    assert [number_of(frame) for _, frame in read] == list(range(30))
    assert all(f.dtype == np.uint8 and f.shape == (48, 64, 3) for _, f in read)
    frames = [frame for _, frame in read]
    for i in (0, 1, 9, 10, 11, 19, 29):
        assert np.array_equal(video.frame(i), frames[i])
    for start, stop, step in ((29, None, -1), (25, 3, -4), (2, 28, 5), (12, 13, 1), (20, 10, -1)):
        part = list(video.frames(start, stop, step))
        expected = range(start, -1 if stop is None else stop, step)
        assert [i for i, _ in part] == list(expected)
        assert all(np.array_equal(frame, frames[i]) for i, frame in part)
    assert video.warnings == []
    assert video.fps == pytest.approx(RATE, rel=0.01)
    assert [video.time(i) for i in range(30)] == pytest.approx(
        [i / RATE for i in range(30)], abs=0.006
    )


def test_variable_rate_keeps_the_time_of_every_frame(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.05, 0.5, 0.533, 1.9, 2.0, 3.5]
    for name in ("v.mp4", "v.mkv"):
        video = open_video(write_video(tmp_path / name, 8, times=times))
        assert [video.time(i) for i in range(8)] == pytest.approx(times, abs=1e-3)
        assert video.fps == pytest.approx(7 / 3.5, rel=1e-3)
        assert numbers(video) == list(range(8))
        late = open_video(tmp_path / name, start="0.5s", end="1.95s")
        assert numbers(late) == [3, 4, 5]
        assert late.time(0) == pytest.approx(0.5, abs=1e-3)
        assert late.span == pytest.approx((0.5, 2.0), abs=1e-3)


def test_times_count_from_the_first_frame_shown(tmp_path: Path) -> None:
    video = open_video(write_video(tmp_path / "v.mkv", 10, start=2.0))
    assert video.time(0) == 0
    assert video.time(9) == pytest.approx(9 / RATE, abs=2e-3)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_video_is_turned_upright(tmp_path: Path, turns: int) -> None:
    corner = np.zeros((48, 64, 3), np.uint8)
    corner[:24, :32] = 250
    path = write_video(tmp_path / "v.mp4", [corner] * 3)
    rotate(path, turns)
    video = open_video(path)
    upright = np.rot90(corner, -turns)
    assert (video.height, video.width) == upright.shape[:2]
    frame = video.frame(1)
    assert frame.shape == upright.shape
    assert np.abs(frame.astype(int) - upright).mean() < 8
    assert frame.flags.c_contiguous


@pytest.mark.parametrize("size", [(47, 63), (2, 2), (33, 64), (1, 7)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_video(
        tmp_path / "v.mkv", [picture(i, size) for i in range(4)], codec="ffv1", pix_fmt="bgr0"
    )
    video = open_video(path)
    assert (video.height, video.width) == size
    assert numbers(video) == [0, 1, 2, 3]


def test_alpha_is_put_on_black(tmp_path: Path) -> None:
    rgba = np.full((48, 64, 4), 200, np.uint8)
    rgba[:, :32, 3], rgba[:, 32:, 3] = 0, 255
    path = write_video(
        tmp_path / "v.mov", [rgba] * 2, codec="qtrle", pix_fmt="argb", source_format="rgba"
    )
    frame = open_video(path).frame(1)
    assert frame[:, :32].max() == 0
    assert frame[:, 32:].min() == 200


def test_colours_follow_the_files_tags(tmp_path: Path) -> None:
    red = np.full((48, 64, 3), (200, 30, 60), np.uint8)
    frame = av.VideoFrame.from_ndarray(red, format="rgb24")
    shown = {}
    for matrix, code in (("itu709", "bt709"), ("itu601", "smpte170m")):
        path = tmp_path / f"{code}.mp4"
        with av.open(str(path), "w") as out:
            stream = out.add_stream("libx264", rate=RATE, options={"colorspace": code, "crf": "1"})
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stored = frame.reformat(format="yuv420p", dst_colorspace=matrix)
            out.mux(stream.encode(stored))
            out.mux(stream.encode(None))
        shown[code] = open_video(path).frame(0)[20, 20].astype(int)
    for colour in shown.values():
        assert np.abs(colour - (200, 30, 60)).max() <= 4


def test_long_group_backwards_in_bounded_memory(tmp_path: Path) -> None:
    size = (480, 640)
    frames = [picture(i, size) for i in range(160)]
    path = write_video(tmp_path / "v.mp4", frames, gop=400, options={"preset": "ultrafast"})
    script = (
        "import resource, sys\n"
        "from alref_agent.media.video import open_video\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "video = open_video(sys.argv[1]); video.frame(0); before = peak()\n"
        "seen = [i for i, _ in video.frames(159, None, -1)]\n"
        "assert seen == list(range(159, -1, -1)); print(peak() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    # 160 frames are 74 MB as stored and 147 MB as RGB; 32 of them are 15 MB.
    assert float(done.stdout) < 40
    assert done.stderr == ""


def test_a_cut_that_starts_within_a_group(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", 30)
    skip_first(path, 5)
    video = open_video(path)
    assert numbers(video) == list(range(5, 30))
    assert number_of(video.frame(0)) == 5
    assert video.time(0) == 0
    assert video.time(24) == pytest.approx(24 / RATE)


def test_a_recording_that_starts_within_a_group(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "v.mkv", 30, options={"bf": "0"})
    late = tmp_path / "late.mkv"
    with av.open(str(whole)) as file, av.open(str(late), "w") as out:
        copy = out.add_stream_from_template(file.streams.video[0])
        for packet in [p for p in file.demux(video=0) if p.size][4:]:
            packet.stream = copy
            out.mux(packet)
    video = open_video(late)
    # What precedes the first keyframe was never decodable.
    assert numbers(video) == list(range(10, 30))
    assert video.warnings == []


def test_hidden_reference_frames_are_no_frames(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "v.webm", 12, codec="libvpx")
    hidden = tmp_path / "hidden.webm"
    with av.open(str(whole)) as file, av.open(str(hidden), "w") as out:
        copy = out.add_stream_from_template(file.streams.video[0])
        for n, packet in enumerate(p for p in file.demux(video=0) if p.size):
            packet.stream = copy
            out.mux(packet)
            if n == 9:  # The next one is a keyframe, so what this one does to others is over.
                content = bytearray(bytes(packet))
                content[0] &= ~0x10  # show_frame
                unseen = av.Packet(bytes(content))
                unseen.pts = unseen.dts = (packet.pts or 0) + 1
                unseen.time_base, unseen.stream = packet.time_base, copy
                out.mux(unseen)
    video = open_video(hidden)
    assert video.n_frames == 12
    assert numbers(video) == list(range(12))
    assert video.warnings == []


def test_range_and_stride(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", 30)
    video = open_video(path, start=4, end=20, every=5)
    assert numbers(video) == [4, 9, 14, 19]
    assert [video.frame_name(i) for i in range(4)] == ["00004", "00009", "00014", "00019"]
    assert [video.time(i) for i in range(4)] == pytest.approx([n / RATE for n in (4, 9, 14, 19)])
    assert video.fps == pytest.approx(RATE / 5)
    assert video.span == pytest.approx((4 / RATE, 20 / RATE))
    assert numbers(video, 3, None, -2) == [19, 9]
    assert number_of(video.frame(2)) == 14
    seconds = open_video(path, start="0.4s", end="0.6 s")
    assert numbers(seconds) == [10, 11, 12, 13, 14]
    assert open_video(path, end="2s").n_frames == 30, "the end of 1.2 s, said roundly"


@pytest.mark.parametrize(
    ("cut", "says"),
    [
        ({"start": 30}, "30 frames"),
        ({"start": "9s"}, "1.20 s"),
        ({"end": 31}, "beyond the end"),
        ({"end": "99s"}, "beyond the end"),
        ({"start": 5, "end": 5}, "leave no frame"),
        ({"start": "0.5s", "end": "0.2s"}, "leave no frame"),
        ({"every": 0}, "at least 1"),
        ({"every": -2}, "at least 1"),
        ({"start": -1}, "count from 0"),
        ({"start": "soon"}, "30"),
        ({"start": "-1s"}, "1.5s"),
        ({"end": "1,5s"}, "1.5s"),
    ],
)
def test_nonsense_ranges_say_what_the_video_has(
    tmp_path: Path, cut: dict[str, int | str], says: str
) -> None:
    path = write_video(tmp_path / "v.mp4", 30)
    with pytest.raises(ConfigError, match=says):
        open_video(path, **cut)  # type: ignore[arg-type]


def test_positions() -> None:
    assert parse_position("12") == 12
    assert isinstance(parse_position("12"), int)
    assert parse_position("1.5s") == 1.5
    assert parse_position(" .5 s ") == 0.5
    assert parse_position(7) == 7


def test_some_frames_in_one_pass(tmp_path: Path) -> None:
    """Asked for one by one, each is decoded from the start of its group."""
    path = write_video(tmp_path / "v.mp4", 240, gop=240)
    video = open_video(path, start=3, every=2)
    wanted = [0, 1, 50, 51, 117]
    assert [(i, number_of(f)) for i, f in video.frames_at(wanted)] == [
        (i, (3 + 2 * i) % 32) for i in wanted
    ]
    assert list(video.frames_at([])) == []
    for wrong in ([5, 5], [5, 4]):
        with pytest.raises(ValueError, match="rise"):
            list(video.frames_at(wrong))
    with pytest.raises(IndexError):
        list(video.frames_at([0, 119]))

    def seconds(work: Callable[[], object]) -> float:
        started = time.process_time()
        work()
        return time.process_time() - started

    many = range(0, 118, 4)
    one_by_one = seconds(lambda: [video.frame(i) for i in many])
    assert seconds(lambda: list(video.frames_at(many))) < one_by_one / 3


def test_frames_that_do_not_exist(tmp_path: Path) -> None:
    video = open_video(write_video(tmp_path / "v.mp4", 5))
    for wrong in (5, -1):
        with pytest.raises(IndexError):
            video.frame(wrong)
        with pytest.raises(IndexError):
            video.time(wrong)
        with pytest.raises(IndexError):
            next(iter(video.frames(wrong, None, -1)))
    with pytest.raises(ValueError, match="step"):
        next(iter(video.frames(0, None, 0)))
    assert numbers(video, 3, 99) == [3, 4]
    assert numbers(video, 5) == []


def check_damaged(path: Path, n: int, bad: list[int]) -> None:
    """Frame and time keep their numbers, and a bad frame shows the last good one."""
    video = open_video(path)
    assert video.n_frames == n
    read = [frame for _, frame in video.frames()]
    shown = [number_of(frame) for frame in read]
    good = [i for i in range(n) if i not in bad]
    for i in range(n):
        before = [g for g in good if g <= i]
        assert shown[i] == (before[-1] if before else good[0]), i
    assert [video.time(i) for i in range(n)] == pytest.approx(
        [i / RATE for i in range(n)], abs=2e-3
    )
    assert [frame.tobytes() for _, frame in video.frames(n - 1, None, -1)] == [
        frame.tobytes() for frame in reversed(read)
    ]
    for i in range(n):
        assert np.array_equal(open_video(path).frame(i), read[i])


def test_damaged_frame_in_the_middle(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_video(tmp_path / "v.mkv", 30, codec="mjpeg", pix_fmt="yuvj420p")
    bad = overwrite_packets_of_mkv(path, [12, 13, 14, 20])
    assert bad == [12, 13, 14, 20]
    check_damaged(path, 30, bad)
    video = open_video(path)
    assert video.warnings == [], "known only once the frames were read"
    list(video.frames())
    assert len(video.warnings) == 1
    assert "frames 12-14, 20 could not be decoded" in video.warnings[0]
    part = open_video(path, start=13, end=19)
    assert numbers(part) == [11, 11, 15, 16, 17, 18]
    assert "frames 13-14 could" in part.warnings[0]
    assert capfd.readouterr() == ("", ""), "FFmpeg's own complaints stay inside"


def overwrite_packets_of_mkv(path: Path, packets: list[int]) -> list[int]:
    """Matroska keeps a head before each packet, whose size must survive."""
    content = path.read_bytes()
    with av.open(str(path)) as file:
        held = [bytes(p) for p in file.demux(video=0) if p.size]
    for number in packets:
        assert content.count(held[number]) == 1
        content = content.replace(held[number], b"\x55" * len(held[number]))
    path.write_bytes(content)
    return packets


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg4"])
def test_damage_where_frames_depend_on_one_another(tmp_path: Path, codec: str) -> None:
    options = {
        "libx264": {"bf": "0"},
        "libx265": {"x265-params": "log-level=0"},
        "mpeg4": {"bf": "0", "qmax": "2"},
    }[codec]
    path = write_video(tmp_path / "v.mp4", 30, codec=codec, options=options)
    # The last packet of a group is no frame's reference.
    bad = overwrite_packets(path, [19])
    check_damaged(path, 30, bad)


def test_damaged_keyframe_gives_the_same_frames_by_every_way(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", 30, options={"bf": "2"})
    overwrite_packets(path, [10])
    video = open_video(path)
    read = [frame for _, frame in video.frames()]
    assert len(read) == 30
    shown = [number_of(frame) for frame in read]
    assert shown[:10] == list(range(10))
    assert shown[10] == 9
    assert shown[20:] == list(range(20, 30)), "the next keyframe mends it"
    assert video.warnings
    for i, frame in video.frames(29, None, -1):
        assert np.array_equal(frame, read[i])
    for i in range(8, 24):
        assert np.array_equal(video.frame(i), read[i])


def test_damaged_first_frames_show_the_first_good_one(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.avi", 12, codec="mjpeg", pix_fmt="yuvj420p")
    check_damaged(path, 12, overwrite_packets(path, [0, 1, 11]))


def test_a_file_cut_short_after_its_index(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mkv", 200, gop=5)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    video = open_video(path)
    assert 60 < video.n_frames < 180
    assert "cut short" in video.warnings[0]
    assert numbers(video) == [i % 32 for i in range(video.n_frames)]


def _no_video(tmp_path: Path) -> dict[str, tuple[Path, str]]:
    def made(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    whole = write_video(tmp_path / "whole.mp4", 10)
    tone = np.zeros(4800, np.float32)
    (tmp_path / "nothing").mkdir()
    (tmp_path / "sequences" / "dog").mkdir(parents=True)
    dead = write_video(tmp_path / "dead.avi", 6, codec="mjpeg", pix_fmt="yuvj420p")
    overwrite_packets(dead, range(6))
    return {
        "missing": (tmp_path / "none.mp4", "does not exist"),
        "empty": (made("empty.mp4", b""), "is empty"),
        "cut": (made("cut.mp4", whole.read_bytes()[:-400]), "moov"),
        "text": (made("text.mp4", b"dear diary, today I filmed\n" * 40), "holds text"),
        "rubbish": (made("r.mp4", bytes(range(256)) * 9), "not a video"),
        "sound": (write_sound(tmp_path / "s.wav", tone, codec="pcm_s16le"), "no video track"),
        "empty folder": (tmp_path / "nothing", "holds no images"),
        "folder of folders": (tmp_path / "sequences", "dog"),
        "dead": (dead, "none of its 6 frames can be decoded"),
    }


@pytest.mark.parametrize(
    "kind",
    [
        "missing",
        "empty",
        "cut",
        "text",
        "rubbish",
        "sound",
        "empty folder",
        "folder of folders",
        "dead",
    ],
)
def test_bad_input_is_one_line_that_says_why(
    tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path, says = _no_video(tmp_path)[kind]
    with pytest.raises(VideoError) as raised:
        open_video(path)
    assert says in str(raised.value)
    assert path.name in str(raised.value)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr().err == ""


def test_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    song = tmp_path / "song.mp3"
    with av.open(str(song), "w") as out:
        track = out.add_stream("libmp3lame", rate=44_100, layout="mono")
        cover = out.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "rgb24"
        # PyAV 17 takes the number alone.
        cover.disposition = av.stream.Disposition.attached_pic.value  # type: ignore[assignment]
        out.mux(cover.encode(av.VideoFrame.from_ndarray(picture(3), format="rgb24")))
        out.mux(cover.encode(None))
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 44_100), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 44_100
        out.mux(track.encode(frame))
        out.mux(track.encode(None))
    with av.open(str(song)) as file:
        assert len(file.streams.video) == 1, "the cover is there"
    with pytest.raises(VideoError, match="no video track"):
        open_video(song)


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    video = open_video(write_video(tmp_path / "v.mp4", 1))
    assert video.n_frames == 1
    assert number_of(video.frame(0)) == 0
    assert video.fps == RATE
    assert video.span == pytest.approx((0, 1 / RATE))


def test_names_that_ffmpeg_would_take_for_something_else(tmp_path: Path) -> None:
    for name in ("http:v.mp4", "v%03d.mp4", "-v.mp4", "naïve 視頻.mp4"):
        made = write_video(tmp_path / "v.mp4", 3).rename(tmp_path / name)
        assert open_video(made).n_frames == 3


def test_a_playlist_opens_no_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/v.ts"
        playlist = tmp_path / "v.m3u8"
        playlist.write_text(
            f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{address}\n#EXT-X-ENDLIST\n"
        )
        with pytest.raises(VideoError):
            open_video(playlist)
        with pytest.raises(TimeoutError):
            server.accept()


def test_nothing_stays_open(tmp_path: Path) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("needs /proc")
    video = open_video(write_video(tmp_path / "v.mp4", 30))
    before = len(os.listdir(descriptors))  # noqa: PTH208
    video.frame(20)
    forward, backward = video.frames(), video.frames(29, None, -1)
    next(iter(forward)), next(iter(backward))
    assert len(os.listdir(descriptors)) > before  # noqa: PTH208
    forward.close()  # type: ignore[attr-defined]
    backward.close()  # type: ignore[attr-defined]
    assert len(os.listdir(descriptors)) == before  # noqa: PTH208


def save(path: Path, array: npt.NDArray[np.generic], **how: object) -> None:
    Image.fromarray(array).save(path, **how)  # type: ignore[arg-type]


def test_folder_in_natural_order(tmp_path: Path) -> None:
    for number, name in enumerate(["frame2.png", "frame9.JPG", "frame10.bmp", "frame11.webp"]):
        save(tmp_path / name, picture(number))
    (tmp_path / "._frame1.png").write_bytes(b"left by a Mac")
    (tmp_path / "notes.txt").write_text("no image")
    video = open_video(tmp_path)
    assert (video.n_frames, video.height, video.width) == (4, 48, 64)
    assert [video.frame_name(i) for i in range(4)] == ["frame2", "frame9", "frame10", "frame11"]
    assert numbers(video) == [0, 1, 2, 3]
    assert numbers(video, 3, None, -2) == [3, 1]
    assert video.fps == 24
    assert video.time(2) == pytest.approx(2 / 24)
    assert not video.has_audio
    part = open_video(tmp_path, start=1, end=4, every=2, fps=6)
    assert (numbers(part), part.fps, part.frame_name(1)) == ([1, 3], 3, "frame11")
    assert part.time(1) == pytest.approx(0.5)
    with pytest.raises(ConfigError, match="4 frames"):
        open_video(tmp_path, start=4)


def test_folder_of_every_kind_of_image(tmp_path: Path) -> None:
    half = np.full((48, 64, 4), 200, np.uint8)
    half[:, :32, 3], half[:, 32:, 3] = 0, 255
    save(tmp_path / "0.png", half)
    Image.fromarray(half[..., :3]).convert("P").save(tmp_path / "1.png", transparency=0)
    save(tmp_path / "2.png", np.full((48, 64), 200 * 256, np.uint16))
    save(tmp_path / "3.png", np.full((48, 64), 200, np.uint8))
    Image.new("CMYK", (64, 48), (0, 0, 0, 55)).save(tmp_path / "4.jpg")
    save(tmp_path / "5.png", np.ones((48, 64), np.bool_))
    frames = [frame for _, frame in open_video(tmp_path).frames()]
    assert all(f.shape == (48, 64, 3) and f.dtype == np.uint8 for f in frames)
    assert frames[0][:, :32].max() == 0
    assert frames[0][:, 32:].min() == 200
    for frame in frames[2:5]:
        assert np.abs(frame.astype(int) - 200).max() <= 2
    assert frames[5].min() == 255


def test_folder_follows_the_cameras_orientation(tmp_path: Path) -> None:
    lying = np.zeros((48, 64, 3), np.uint8)
    lying[:24] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "0.jpg", lying, exif=exif)
    video = open_video(tmp_path)
    assert (video.height, video.width) == (64, 48)
    assert np.abs(video.frame(0).astype(int) - np.rot90(lying, -1)).mean() < 2


def test_folder_errors_name_the_files(tmp_path: Path) -> None:
    save(tmp_path / "0.png", picture(0))
    save(tmp_path / "1.png", picture(1, (48, 65)))
    with pytest.raises(VideoError, match=r"0\.png is 64x48, 1\.png is 65x48"):
        open_video(tmp_path)
    (tmp_path / "1.png").write_bytes(b"not an image")
    with pytest.raises(VideoError, match=r"1\.png cannot be read"):
        open_video(tmp_path)
    (tmp_path / "1.png").unlink()
    save(tmp_path / "0.jpg", picture(0))
    with pytest.raises(VideoError, match=r"0\.jpg and 0\.png"):
        open_video(tmp_path)


def test_an_image_that_breaks_off_is_named(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    save(tmp_path / "0.png", noise)
    content = (tmp_path / "0.png").read_bytes()
    (tmp_path / "0.png").write_bytes(content[: len(content) // 2])
    video = open_video(tmp_path)
    with pytest.raises(VideoError, match=r"0\.png cannot be read"):
        video.frame(0)


@pytest.mark.parametrize(("name", "n", "sound"), [("cups", 300, True), ("juggle", 247, False)])
def test_real_clips(name: str, n: int, sound: bool) -> None:
    path = CLIPS / f"{name}.mp4"
    if not path.exists():
        pytest.skip(f"{path.name} is not in ../shared/data/clips")
    video = open_video(path)
    assert (video.n_frames, video.height, video.width) == (n, 720, 1280)
    assert video.has_audio is sound
    assert all(a < b for a, b in pairwise(video.time(i) for i in range(n)))
    ahead = dict(video.frames(245, n, 1))
    for i, frame in video.frames(n - 1, 244, -1):
        assert np.array_equal(frame, ahead[i])
    assert np.array_equal(video.frame(246), ahead[246])
