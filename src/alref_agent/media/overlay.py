"""The video with its masks drawn in: H.264 in MP4, with the original sound."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from alref_agent.errors import OutputError, VideoError
from alref_agent.media.atomic import PendingFile
from alref_agent.media.drawing import MaskPainter
from alref_agent.media.image_folder import ImageFolder
from alref_agent.media.sound import SoundCopy
from alref_agent.media.video_file import VideoFile
from alref_agent.types import Frame, Mask, Video

_CLOCK = 90_000
"""Ticks a second: fine enough for every usual frame rate, variable ones included."""
_ENCODERS = ("libx264", "libopenh264", "h264_videotoolbox")
_OPTIONS = {
    # Two thirds of the time of `veryfast` for files a sixth larger; encoding is what takes long.
    "preset": "superfast",
    # With them MP4 could not say how long the last frame is shown.
    "bf": "0",
    "crf": "20",
    "colorspace": "bt709",
    "color_primaries": "bt709",
    "color_trc": "bt709",
    "color_range": "tv",
}


class OverlayWriter:
    """Writes `overlay.mp4` while frames and masks come.

    Frames keep their times, so a variable rate and a stride play at the speed of the source. A
    side of odd length grows by one pixel, since H.264 stores colour for pairs of pixels. A context
    manager: the file appears when the block is left, and does not when it is left by an exception.
    """

    def __init__(
        self,
        path: Path,
        video: Video,
        names: Mapping[int, str],
        *,
        sound: bool = True,
        audio_from: Path | None = None,
    ) -> None:
        """Prepare; the file is opened on entering the block.

        Args:
            path: The file to appear.
            video: The video whose frames will come: it gives size and times.
            names: `obj_id` to the name written beside the object.
            sound: Whether to keep the sound, of the range that the video shows.
            audio_from: Where the sound is; None takes the video's own.
        """
        self._path = path
        self._video = video
        self._painter = MaskPainter(names)
        self._span, self._aspect = _span(video), 1.0
        if isinstance(video, VideoFile):
            self._aspect = video.pixel_aspect
            if audio_from is None and video.has_audio:
                audio_from = video.source
        self._audio_from = audio_from if sound else None
        self._last = self._ticks = -1
        self._ends: dict[int, int] = {}
        self.warnings: list[str] = []
        """What had to be left out; a line each."""
        self._pending: PendingFile | None = None
        self._container: OutputContainer | None = None
        self._sound: SoundCopy | None = None

    def __enter__(self) -> Self:
        self._pending = PendingFile(self._path)
        try:
            self._open(self._pending.beside)
        except BaseException:
            self._abandon()
            raise
        return self

    def write(self, frame_idx: int, frame: Frame, masks: Mapping[int, Mask]) -> None:
        """Draw and encode one frame.

        Args:
            frame_idx: Higher than that of the frame before.
            frame: RGB, `(H, W, 3)` uint8.
            masks: `obj_id` to mask, `(H, W)` bool; objects that are not there may be left out.

        Raises:
            OutputError: The disk is full, or the file cannot be written for another reason.
        """
        if self._container is None:
            raise ValueError("write() outside the with block")
        if frame_idx <= self._last:
            raise ValueError(f"frame {frame_idx} came after frame {self._last}")
        if frame.shape != (self._video.height, self._video.width, 3):
            raise ValueError(
                f"frame ({self._video.height}, {self._video.width}, 3) expected, got {frame.shape}"
            )
        self._last = frame_idx
        picture = _even(self._painter.paint(frame, masks))
        encoded = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
            format="yuv420p", dst_colorspace="itu709"
        )
        time = self._video.time(frame_idx) - self._span[0]
        # Two frames less than a tick apart must still follow one another.
        encoded.pts = self._ticks = max(round(time * _CLOCK), self._ticks + 1)
        encoded.time_base = Fraction(1, _CLOCK)
        self._ends[encoded.pts] = round((self._end_of(frame_idx) - self._span[0]) * _CLOCK)
        try:
            if self._sound is not None:
                # Sound goes in as the pictures come: a muxer holds back what has no partner.
                self._sound.copy_until(time)
            self._mux(self._stream.encode(encoded))
        except (av.error.FFmpegError, OSError) as error:
            raise self._failed(error) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None or self._container is None or self._pending is None:
            self._abandon()
            return
        try:
            if self._sound is not None:
                self._sound.copy_until(self._span[1] - self._span[0])
            self._mux(self._stream.encode(None))
            if self._sound is not None:
                self._sound.finish()
            self._container.close()
            self._pending.keep()
        except (av.error.FFmpegError, OSError) as failure:
            raise self._failed(failure) from failure
        finally:
            self._abandon()

    def _mux(self, packets: list[Packet[VideoStream]]) -> None:
        assert self._container is not None
        for packet in packets:
            # The last frame has no other to end it.
            if packet.pts is not None and packet.pts in self._ends:
                packet.duration = max(1, self._ends.pop(packet.pts) - packet.pts)
            self._container.mux(packet)

    def _end_of(self, frame_idx: int) -> float:
        last = frame_idx + 1 >= self._video.n_frames
        return self._span[1] if last else self._video.time(frame_idx + 1)

    def _open(self, path: Path) -> None:
        video = self._video
        try:
            self._container = av.open(
                str(path), "w", format="mp4", options={"movflags": "+faststart"}
            )
            self._stream = stream = self._add_stream(self._container)
            stream.width = video.width + video.width % 2
            stream.height = video.height + video.height % 2
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = Fraction(1, _CLOCK)
            stream.options = dict(_OPTIONS)
            if self._aspect != 1:
                ratio = Fraction(self._aspect).limit_denominator(1000)
                stream.codec_context.sample_aspect_ratio = ratio
            if self._audio_from is not None:
                self._sound = SoundCopy(self._container, self._audio_from, *self._span)
        except VideoError as error:
            # A video without its sound is still what was asked for.
            self.warnings.append(f"the overlay has no sound: {error}")
        except (av.error.FFmpegError, OSError) as error:
            raise self._failed(error) from error

    def _add_stream(self, container: OutputContainer) -> VideoStream:
        rate = Fraction(max(self._video.fps, 0.01)).limit_denominator(1001)
        for encoder in _ENCODERS:
            try:
                stream = container.add_stream(encoder, rate=rate)
            except av.codec.codec.UnknownCodecError:
                continue
            assert isinstance(stream, VideoStream)
            return stream
        raise OutputError(
            "This PyAV has no H.264 encoder; install the wheel of PyPI, or leave the overlay out."
        )

    def _failed(self, error: Exception) -> OutputError:
        reason = getattr(error, "strerror", None) or str(error)
        return OutputError(f"{self._path} cannot be written: {reason}.")

    def _abandon(self) -> None:
        """Close and remove whatever is still there; harmless after success."""
        container, pending, sound = self._container, self._pending, self._sound
        self._container = self._pending = self._sound = None
        if sound is not None:
            sound.close()
        if container is not None:
            # What leads here says more than a second complaint about the same disk.
            with suppress(av.error.FFmpegError, OSError):
                container.close()
        if pending is not None:
            pending.drop()


def _even(picture: Frame) -> Frame:
    """Repeat the last row or column where a side is odd."""
    height, width = picture.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return picture
    padded = cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return padded.astype(np.uint8, copy=False)


def _span(video: Video) -> tuple[float, float]:
    """Seconds of the source between the first frame's beginning and the last one's end."""
    if isinstance(video, VideoFile | ImageFolder):
        return video.span
    return video.time(0), video.time(video.n_frames - 1) + 1 / video.fps
