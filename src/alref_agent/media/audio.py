"""The sound of a video, as one channel of floats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from alref_agent.errors import VideoError
from alref_agent.media.container import open_input, video_streams
from alref_agent.media.packets import first_shown
from alref_agent.types import Floats

_PREROLL = 0.5
"""Seconds decoded before a cut: the first packets after a seek sound wrong in many codecs."""
_GAP = 0.015
"""Seconds without samples that count as silence: less than any packet lasts, …"""
_NONSENSE = 600.0
"""… and those that count as a wrong time stamp."""


@dataclass(frozen=True)
class AudioInfo:
    """What a sound track is."""

    codec: str
    rate: int
    """Samples a second."""
    channels: int
    duration: float
    """Seconds; 0 where the file does not say."""


def audio_info(source: Path) -> AudioInfo | None:
    """The sound track that `read_audio` would read; None where there is none.

    Raises:
        VideoError: The file cannot be opened.
    """
    with open_input(source) as container:
        stream = audio_stream(container)
        if stream is None:
            return None
        length = (stream.duration or 0) * (stream.time_base or 0)
        context = stream.codec_context
        return AudioInfo(
            codec=context.name,
            rate=context.sample_rate,
            channels=context.channels,
            duration=float(length) or (container.duration or 0) / 1e6,
        )


def audio_stream(container: InputContainer) -> AudioStream | None:
    """The first track that can be decoded."""
    return next((s for s in container.streams.audio if s.codec_context), None)


def read_audio(
    source: Path, rate: int = 16_000, start: float | None = None, end: float | None = None
) -> Floats:
    """Sound as float32 `(n,)` in [-1, 1], all channels mixed into one.

    Sample 0 is the moment at which the first frame of the video is shown (`start` seconds after it,
    if given): a track that begins later starts with silence, one that begins earlier is cut. In a
    file without pictures it is the first sample. Silence fills gaps within the track.

    Args:
        source: A file with sound.
        rate: Samples a second to return.
        start: Seconds of the video from which to read, as in `Video.time`.
        end: Seconds at which to stop; None reads to the end of the sound.

    Raises:
        VideoError: The file cannot be read, or has no sound that can be decoded.
    """
    begin = start or 0.0
    if end is not None and end <= begin:
        raise ValueError(f"end={end} must come after start={begin}")
    with open_input(source) as container:
        if audio_stream(container) is None:
            raise VideoError(f"{source} has no sound; give a video with a sound track.")
        zero = first_shown(container, source) if video_streams(container) else None
    with open_input(source) as container:
        stream = audio_stream(container)
        assert stream is not None
        if zero is None:
            zero = float((stream.start_time or 0) * (stream.time_base or 0))
        track = _Track(rate, zero + begin, None if end is None else zero + end)
        _decode(container, stream, track)
    samples = track.joined()
    if samples is None:
        raise VideoError(f"{source}: its sound cannot be decoded; convert it to AAC.")
    return samples


class _Track:
    """Samples put where their time stamps say, between two moments."""

    def __init__(self, rate: int, begin: float, end: float | None) -> None:
        self.rate = rate
        self.begin = begin
        self._length = None if end is None else round((end - begin) * rate)
        self._parts: list[Floats] = []
        self._filled = 0
        self._next: int | None = None
        self._decoded = False

    @property
    def full(self) -> bool:
        return self._length is not None and self._filled >= self._length

    def add(self, samples: Floats, time: float | None) -> None:
        """Append samples that begin at `time` seconds; None: where the last ones ended."""
        self._decoded = True
        at = self._next
        if time is not None:
            stamped = round((time - self.begin) * self.rate)
            # Time stamps are rounded, and some are nonsense.
            if at is None or _GAP < (stamped - at) / self.rate < _NONSENSE:
                at = stamped
        at = at or 0
        self._next = at + len(samples)
        if at > self._filled:
            self._put(np.zeros(at - self._filled, np.float32))
        self._put(samples[max(self._filled - at, 0) :])

    def joined(self) -> Floats | None:
        if not self._decoded:
            return None
        if self._length is not None and self._filled < self._length:
            self._put(np.zeros(self._length - self._filled, np.float32))
        return np.concatenate(self._parts) if self._parts else np.zeros(0, np.float32)

    def _put(self, samples: Floats) -> None:
        if self._length is not None:
            samples = samples[: self._length - self._filled]
        if len(samples):
            self._parts.append(samples)
            self._filled += len(samples)


def _decode(container: InputContainer, stream: AudioStream, track: _Track) -> None:
    base = stream.time_base
    if base is not None and track.begin > 1 + _PREROLL:
        try:
            container.seek(int((track.begin - _PREROLL) / base), stream=stream)
        except (av.error.FFmpegError, OSError):
            # A format that cannot seek is read from its beginning.
            container.seek(0)
    resampler: AudioResampler | None = None
    shape: tuple[str, str, int] | None = None
    for frame in _frames(container, stream):
        now = frame.format.name, frame.layout.name, frame.sample_rate
        if now != shape:
            # The layout of a broadcast changes between programme and adverts.
            if resampler is not None:
                _resample(resampler, None, track)
            # FFmpeg mixes floats without regard for the sum, but keeps whole numbers from clipping.
            resampler = AudioResampler(format="s32", layout="mono", rate=track.rate)
            shape = now
        assert resampler is not None
        _resample(resampler, frame, track)
        if track.full:
            return
    if resampler is not None:
        _resample(resampler, None, track)


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    try:
        for packet in container.demux(stream):
            try:
                yield from packet.decode()
            except av.error.FFmpegError:
                # A damaged packet is a short silence.
                continue
    except (av.error.FFmpegError, OSError):
        return


def _resample(resampler: AudioResampler, frame: AudioFrame | None, track: _Track) -> None:
    for out in resampler.resample(frame):
        samples = out.to_ndarray().reshape(-1).astype(np.float32) / np.float32(2**31)
        known = out.pts is not None and out.time_base is not None
        track.add(samples, out.time if known else None)
