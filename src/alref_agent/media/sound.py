"""The sound of one file put into another: packets copied where MP4 takes them, else as AAC."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from alref_agent.errors import VideoError
from alref_agent.media.audio import audio_stream
from alref_agent.media.container import open_input, video_streams
from alref_agent.media.packets import first_shown

_COPIED = frozenset({"aac", "mp3", "mp3float", "ac3", "eac3"})
"""Codecs that players expect in MP4; FFmpeg would put more there that few of them play."""
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_AHEAD = 0.5
"""Seconds of sound written before the pictures that belong to them."""
_RUN_UP = 0.1
"""Seconds kept before a cut, hidden by an edit list: decoders need a few packets to swing in."""


class SoundCopy:
    """Writes the sound of `source` between two moments, bit by bit, beside pictures."""

    def __init__(self, output: OutputContainer, source: Path, begin: float, end: float) -> None:
        """Add a stream to `output`.

        Args:
            output: Opened for writing, nothing written yet.
            source: Where the sound is.
            begin: Seconds of the source's video that become time 0.
            end: Seconds at which the sound ends.

        Raises:
            VideoError: There is no sound that can be read.
        """
        with open_input(source) as container:
            zero = first_shown(container, source) if video_streams(container) else 0.0
        self._output = output
        self._begin, self._length = zero + begin, end - begin
        self._input = open_input(source)
        try:
            stream = audio_stream(self._input)
            if stream is None:
                raise VideoError(f"{source} has no sound.")
            if self._begin > 1:
                self._seek(stream)
            copied = stream.codec_context.name in _COPIED
            self._writes = self._copied(stream) if copied else self._encoded(stream)
            # To the first `yield`: the stream must be there before the first picture is written.
            self._reached = next(self._writes, None)
        except BaseException:
            self._input.close()
            raise

    def copy_until(self, time: float) -> None:
        """Write what sounds before `time` (seconds of the output), and a little more."""
        while self._reached is not None and self._reached < min(time + _AHEAD, self._length):
            self._reached = next(self._writes, None)

    def finish(self) -> None:
        """Write the rest."""
        while self._reached is not None:
            self._reached = next(self._writes, None)
        self.close()

    def close(self) -> None:
        """Close the source."""
        self._input.close()

    def _seek(self, stream: AudioStream) -> None:
        at = int((self._begin - 2 * _RUN_UP) / (stream.time_base or 1))
        try:
            self._input.seek(at, stream=stream)
        except (av.error.FFmpegError, OSError):
            # A format that cannot seek is read from its beginning.
            self._input.seek(0)

    def _copied(self, stream: AudioStream) -> Iterator[float]:
        """Copies packets; yields the time that is reached."""
        copy = self._output.add_stream_from_template(stream)
        base = stream.time_base or Fraction(1, stream.codec_context.sample_rate)
        shift = round(self._begin / base)
        # Without a cut the run-up is the encoder's own, and all of it is kept.
        earliest = -_RUN_UP if self._begin > _RUN_UP else -1.0
        yield -_AHEAD
        for packet in self._packets(stream):
            if packet.pts is None or not packet.size:
                continue
            time = float((packet.pts - shift) * base)
            if time < earliest:
                continue
            if time >= self._length:
                return
            packet.pts -= shift
            packet.dts = packet.pts
            packet.stream = copy
            self._output.mux(packet)
            yield time

    def _encoded(self, stream: AudioStream) -> Iterator[float]:
        """Decodes and encodes; yields the time that is reached."""
        context = stream.codec_context
        rate = min((r for r in _AAC_RATES if r >= context.sample_rate), default=48_000)
        layout = "mono" if context.channels == 1 else "stereo"
        encoder = self._output.add_stream("aac", rate=rate, layout=layout)
        base = Fraction(1, rate)
        resampler = AudioResampler(format="fltp", layout=layout, rate=rate)
        yield -_AHEAD
        for frame in self._resampled(stream, resampler):
            start = round(((frame.time or 0.0) - self._begin) * rate)
            if start + frame.samples <= 0:
                continue
            if start * base >= self._length:
                break
            frame.pts, frame.time_base = start, base
            self._output.mux(encoder.encode(frame))
            yield float(start * base)
        self._output.mux(encoder.encode(None))

    def _packets(self, stream: AudioStream) -> Iterator[Packet[AudioStream]]:
        """A source that breaks off ends there; only errors of writing get out of here."""
        packets = self._input.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError):
                return
            if packet is None:
                return
            yield packet

    def _resampled(self, stream: AudioStream, resampler: AudioResampler) -> Iterator[AudioFrame]:
        for packet in self._packets(stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            for frame in frames:
                yield from (f for f in resampler.resample(frame) if f.pts is not None)
        yield from (f for f in resampler.resample(None) if f.pts is not None)
