"""Open a video, be it a file or a folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from alref_agent.errors import VideoError
from alref_agent.media.image_folder import DATASET_FPS, ImageFolder
from alref_agent.media.selection import parse_position
from alref_agent.media.video_file import VideoFile

__all__ = ["OpenedVideo", "open_video", "parse_position"]

OpenedVideo: TypeAlias = VideoFile | ImageFolder
"""A `types.Video` with `source`, `warnings`, `has_audio`, `span` and `pixel_aspect` besides."""


def open_video(
    source: Path | str,
    *,
    start: int | str | None = None,
    end: int | str | None = None,
    every: int = 1,
    fps: float | None = None,
) -> OpenedVideo:
    """Open a video file or a folder of images.

    Args:
        source: The file, or a folder of jpg, png, bmp or webp images of one size.
        start: First frame of the source to show: its number, or seconds as `"1.5s"`.
        end: Where to end; this frame, or this time, is not shown any more.
        every: Show every so many-th frame of that range.
        fps: Frames a second of a folder, which cannot say itself (default: 24); a file knows.

    Raises:
        VideoError: It cannot be read; the message says why.
        ConfigError: The range and stride leave nothing; the message says what the video has.
    """
    if not str(source):
        raise VideoError("The name of the video is empty.")
    try:
        source = Path(source).expanduser()
        if source.exists() and not (source.is_dir() or source.is_file()):
            raise VideoError(f"{source} is no regular file: save the video to one first.")
        video: OpenedVideo
        if source.is_dir():
            video = ImageFolder(source, start=start, end=end, every=every, fps=fps or DATASET_FPS)
        else:
            video = VideoFile(source, start=start, end=end, every=every)
    except OSError as error:
        raise VideoError(f"{source} cannot be read: {error.strerror}.") from error
    for path in video.parts:
        if not str(path.resolve()).isprintable():  # as the records and the mask files need it
            raise VideoError(f"{str(path)!r} has a name that is no text (UTF-8): rename it.")
    return video
