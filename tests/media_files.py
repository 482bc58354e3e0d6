"""Small real media files for tests: every frame shows its number as a shade of grey."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from alref_agent.types import Floats, Frame

RATE = 25
STEP = 7
"""Grey levels between one frame and the next: lossy codecs stay well within half of it."""


def picture(number: int, size: tuple[int, int] = (48, 64)) -> Frame:
    """A grey frame `(H, W, 3)` that says its number."""
    return np.full((*size, 3), 16 + number % 32 * STEP, np.uint8)


def number_of(frame: Frame) -> int:
    """Which `picture` (modulo 32) a frame shows."""
    return round((float(frame.mean()) - 16) / STEP)


def write_video(
    path: Path,
    pictures: Sequence[Frame] | int = 30,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    gop: int = 10,
    times: Sequence[float] | None = None,
    start: float = 0.0,
    sound: Floats | None = None,
    sound_codec: str = "aac",
    sound_rate: int = 48_000,
    layout: str = "mono",
    source_format: str = "rgb24",
) -> Path:
    """Encode pictures, and sound beside them.

    Args:
        path: The file; its suffix chooses the container.
        pictures: Frames, or how many numbered ones.
        codec: FFmpeg's name of the encoder.
        pix_fmt: What is stored.
        options: Of the encoder.
        gop: Frames between keyframes at most.
        times: Seconds of each frame; default: `RATE` a second.
        start: Seconds by which the pictures come later than the sound.
        sound: One channel, written to all channels.
        sound_codec: FFmpeg's name of the sound encoder.
        sound_rate: Samples a second.
        layout: Channels, as `stereo`.
        source_format: What `pictures` are.
    """
    if isinstance(pictures, int):
        pictures = [picture(i) for i in range(pictures)]
    height, width = pictures[0].shape[:2]
    clock = Fraction(1, 1000) if times is not None else Fraction(1, RATE)
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=RATE, options=options or {})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.gop_size = gop
        stream.codec_context.time_base = clock
        track: av.AudioStream | None = None
        if sound is not None:
            added = out.add_stream(sound_codec, rate=sound_rate, layout=layout)
            assert isinstance(added, av.AudioStream)
            track = added
        for i, array in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(array, format=source_format)
            frame.pts = round((start + (times[i] if times is not None else i / RATE)) / clock)
            frame.time_base = clock
            out.mux(stream.encode(frame))
            if track is not None and sound is not None:
                first, last = (round(n * sound_rate / RATE) for n in (i, i + 1))
                _write_sound(out, track, sound[first:last], first, sound_rate, layout)
        out.mux(stream.encode(None))
        if track is not None:
            out.mux(track.encode(None))
    return path


def write_sound(
    path: Path, sound: Floats, *, codec: str, rate: int = 48_000, layout: str = "mono"
) -> Path:
    """Encode sound without pictures."""
    with av.open(str(path), "w") as out:
        track = out.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(track, av.AudioStream)
        _write_sound(out, track, sound, 0, rate, layout)
        out.mux(track.encode(None))
    return path


def chirp(seconds: float, rate: int, start: float = 0.0) -> Floats:
    """A tone that rises from 200 Hz, so that every moment of it sounds different."""
    t = start + np.arange(round(seconds * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * (200 * t + 100 * t * t))).astype(np.float32)


def delay(reference: Floats, sound: Floats) -> int:
    """Samples by which `sound` comes later than `reference`."""
    n = min(len(reference), len(sound))
    spectrum = np.fft.rfft(sound[:n], 2 * n) * np.fft.rfft(reference[:n], 2 * n).conj()
    best = int(np.argmax(np.fft.irfft(spectrum)))
    return best if best < n else best - 2 * n


def overwrite_packets(path: Path, packets: Sequence[int]) -> list[int]:
    """Overwrite the bytes of packets (by position in the file's order) with rubbish.

    Returns:
        The numbers of the frames that they hold, rising.
    """
    with av.open(str(path)) as file:
        held = [p for p in file.demux(video=0) if p.size]
        shown = sorted(p.pts or 0 for p in held)
        places = [(held[i].pos or 0, held[i].size, held[i].pts or 0) for i in packets]
    content = bytearray(path.read_bytes())
    for at, size, _ in places:
        content[at : at + size] = b"\x55" * size
    path.write_bytes(content)
    return sorted(shown.index(pts) for _, _, pts in places)


def rotate(path: Path, quarter_turns_clockwise: int) -> None:
    """Write a display matrix into an MP4, as a phone does."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    a, b, c, d = ((1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0))[
        quarter_turns_clockwise % 4
    ]
    one = 1 << 16
    matrix = (a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    content[at : at + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(content)


def skip_first(path: Path, n_frames: int) -> None:
    """Let the edit list of an MP4 start `n_frames` later, as an editor's cut does."""
    with av.open(str(path)) as file:
        ticks = round(n_frames / RATE / float(file.streams.video[0].time_base or 1))
    content = bytearray(path.read_bytes())
    at = content.index(b"elst") + 4 + 8 + 4
    (media_time,) = struct.unpack(">i", content[at : at + 4])
    content[at : at + 4] = struct.pack(">i", media_time + ticks)
    path.write_bytes(content)


def _write_sound(
    out: av.container.OutputContainer,
    track: av.AudioStream,
    sound: Floats,
    at: int,
    rate: int,
    layout: str,
) -> None:
    channels = av.AudioLayout(layout).nb_channels
    frame = av.AudioFrame.from_ndarray(
        np.tile(sound, (channels, 1)).copy(), format="fltp", layout=layout
    )
    frame.sample_rate, frame.pts = rate, at
    out.mux(track.encode(frame))
