"""Open a media file with FFmpeg; every way in which that fails is one clear line."""

from __future__ import annotations

from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from alref_agent.errors import VideoError


def open_input(source: Path) -> InputContainer:
    """Open `source` for demuxing; the caller closes it.

    Raises:
        VideoError: The file is missing, empty, cut short, or nothing that FFmpeg reads.
    """
    if source.is_dir():
        raise VideoError(f"{source} is a folder; a media file is needed here.")
    if not source.exists():
        raise VideoError(f"{source} does not exist; check the path.")
    try:
        if source.stat().st_size == 0:
            raise VideoError(f"{source} is empty (0 bytes); copy or download it again.")
        # The prefix keeps FFmpeg from reading `a:b.mp4` as a protocol. FFmpeg itself sees to it
        # that a playlist on disk opens no network address.
        return av.open(f"file:{source}", metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise VideoError(_why(source, error)) from error
    except OSError as error:
        raise VideoError(f"{source} cannot be read: {error.strerror or error}.") from error


def video_streams(container: InputContainer) -> list[VideoStream]:
    """The moving pictures of a file; the cover of a song is a video stream to FFmpeg."""
    return [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]


def video_stream(container: InputContainer, source: Path) -> VideoStream:
    """The stream to show.

    Raises:
        VideoError: There is none, or FFmpeg has no decoder for it.
    """
    streams = video_streams(container)
    if not streams:
        kinds = sorted({s.type for s in container.streams})
        held = f"only {' and '.join(kinds)}" if kinds else "no streams at all"
        raise VideoError(f"{source} has no video track ({held}); give a file with pictures.")
    shown = [s for s in streams if s.disposition & Disposition.default]
    stream = (shown or streams)[0]
    if stream.codec_context is None:
        raise VideoError(f"{source}: FFmpeg cannot decode its video; convert it to H.264.")
    return stream


def _why(source: Path, error: av.error.FFmpegError) -> str:
    if isinstance(error, PermissionError):
        return f"{source} may not be read; check its permissions."
    try:
        with source.open("rb") as file:
            head = file.read(4096)
    except OSError:
        head = b""
    if head[4:8] in (b"ftyp", b"mdat", b"wide", b"free"):
        return (
            f"{source} is cut short: its index (the moov box) is missing. "
            "Copy or download it again, or finish the recording."
        )
    if head and b"\0" not in head:
        try:
            head[:-4].decode()
        except UnicodeDecodeError:
            pass
        else:
            return f"{source} holds text, not a video or a sound; check the path."
    return f"{source} is not a video or a sound that FFmpeg can read ({error.strerror})."
