"""A folder of images as a video: how data sets come."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from alref_agent.errors import VideoError
from alref_agent.media.pixels import over_black
from alref_agent.media.selection import indices, select
from alref_agent.types import Frame

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
DATASET_FPS = 24.0
"""Frames a second of DAVIS, and of a folder about which nothing is known."""
_ORIENTATION = 0x0112


class ImageFolder:
    """Images of one size, in the natural order of their stems, as a `types.Video`.

    Alpha is put on black, 16-bit grey is scaled to 8 bits, the camera's orientation is followed.
    Sizes are checked on opening, from the files' heads; pixels are read frame by frame.
    """

    has_audio = False

    def __init__(
        self,
        source: Path,
        *,
        start: int | str | None = None,
        end: int | str | None = None,
        every: int = 1,
        fps: float = DATASET_FPS,
    ) -> None:
        self.source = source
        """The folder."""
        files = _images(source)
        self.width, self.height = _common_size(files)
        times = [i / fps for i in range(len(files))]
        picked = select(times, len(files) / fps, start=start, end=end, every=every)
        self.parts = files
        """All images of the folder."""
        self.picked: range = picked
        """The images of the folder, by number, that are shown."""
        self._files = [files[i] for i in picked]
        self._times = [times[i] for i in picked]
        self.fps: float = fps / every
        self.warnings: list[str] = []
        self.pixel_aspect = 1.0

    @property
    def n_frames(self) -> int:
        """How many images the range and stride leave; 1 is possible."""
        return len(self._files)

    @property
    def span(self) -> tuple[float, float]:
        """Seconds between the first frame's beginning and the last one's end."""
        return self._times[0], self._times[-1] + 1 / self.fps

    def time(self, frame_idx: int) -> float:
        """Seconds from the first image of the folder."""
        return self._times[self._checked(frame_idx)]

    def frame_name(self, frame_idx: int) -> str:
        """Stem of the image's name."""
        return self._files[self._checked(frame_idx)].stem

    def frame(self, frame_idx: int) -> Frame:
        """One image.

        Raises:
            IndexError: The video has no such frame.
            VideoError: The image is broken.
        """
        path = self._files[self._checked(frame_idx)]
        pixels = _read(path)
        if pixels.shape != (self.height, self.width, 3):
            raise VideoError(f"{path} is no longer {self.width}x{self.height}; the folder changed.")
        return pixels

    def frames_at(self, frame_idxs: Sequence[int]) -> Iterator[tuple[int, Frame]]:
        """See `types.Video`."""
        for frame_idx in frame_idxs:
            yield frame_idx, self.frame(frame_idx)

    def frames(
        self, start: int = 0, stop: int | None = None, step: int = 1
    ) -> Iterator[tuple[int, Frame]]:
        """See `types.Video`."""
        for frame_idx in indices(self.n_frames, start, stop, step):
            yield frame_idx, self.frame(frame_idx)

    def _checked(self, frame_idx: int) -> int:
        if not 0 <= frame_idx < len(self._files):
            raise IndexError(f"frame {frame_idx} of a video with {len(self._files)} frames")
        return frame_idx


def _images(folder: Path) -> list[Path]:
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise VideoError(f"{folder} cannot be read: {error.strerror}.") from error
    # macOS writes a hidden `._00000.jpg` beside every image.
    files = [p for p in entries if p.suffix.lower() in _SUFFIXES and not p.name.startswith(".")]
    if not files:
        kinds = ", ".join(sorted(s[1:] for s in _SUFFIXES))
        inside = [p.name for p in sorted(entries) if p.is_dir()]
        hint = f" It holds folders ({', '.join(inside[:3])}): give one of them." if inside else ""
        raise VideoError(f"{folder} holds no images ({kinds}).{hint}")
    files.sort(key=natural)
    stems: dict[str, Path] = {}
    for path in files:
        if path.stem in stems:
            raise VideoError(
                f"{folder} holds both {stems[path.stem].name} and {path.name}; "
                "a frame needs a name of its own, so keep one of them."
            )
        stems[path.stem] = path
    return files


def natural(path: Path) -> tuple[list[tuple[bool, int, str]], str]:
    """`frame9` comes before `frame10`."""
    parts = re.split(r"(\d+)", path.stem)
    key = [(p.isdecimal(), int(p) if p.isdecimal() else 0, p.lower()) for p in parts if p]
    return key, path.name


def _common_size(files: list[Path]) -> tuple[int, int]:
    first: tuple[int, int] | None = None
    for path in files:
        try:
            with Image.open(path) as image:
                size = image.size
                # 5 to 8 are the orientations that lie on a side. In a PNG the entry may follow the
                # pixels, which would all be read for it, and cameras write no PNG.
                if image.format != "PNG" and image.getexif().get(_ORIENTATION, 1) >= 5:
                    size = size[::-1]
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise _unreadable(path, error) from error
        if first is None:
            first = size
        elif size != first:
            raise VideoError(
                f"The images differ in size: {files[0].name} is {first[0]}x{first[1]}, "
                f"{path.name} is {size[0]}x{size[1]} ({path.parent}); a video has one size."
            )
    assert first is not None
    return first


def _read(path: Path) -> Frame:
    try:
        with Image.open(path) as opened:
            image = opened if opened.format == "PNG" else ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):
                # 16-bit grey; PIL's own conversion would clip it to white.
                grey = np.clip(np.asarray(image) // 256, 0, 255).astype(np.uint8)
                return np.repeat(grey[..., None], 3, axis=2)
            if image.has_transparency_data:
                return over_black(np.asarray(image.convert("RGBA")))
            return np.array(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> VideoError:
    known = isinstance(error, UnidentifiedImageError)
    why = "it is not an image" if known else str(error) or type(error).__name__
    return VideoError(f"{path} cannot be read as an image: {why}; replace or remove it.")
