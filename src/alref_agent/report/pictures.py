"""The pictures of the page, embedded once each, within a limit on the size of the whole."""

from __future__ import annotations

import base64
import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
from markupsafe import Markup
from PIL import Image

from alref_agent.media.sheet import encode_jpeg
from alref_agent.types import Frame

MOST_BYTES = 48_000_000
"""Of the files that are embedded; a page of hundreds of sheets opens nowhere."""
_KINDS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
"""What browsers show and no script can be in."""


@dataclass
class Embedded:
    """A picture of the page, or why there is none."""

    id: str
    alt: str
    file: str = ""
    """Its name in the run folder, where it is a file of it."""
    uri: str = ""
    """`data:…`; empty where there is no picture."""
    width: int = 0
    height: int = 0
    missing: str = ""
    """Why there is no picture."""
    uses: int = 1
    """How often the page shows it."""


class Album:
    """Collects pictures; the same file, or the same bytes, are embedded once."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        """Begin an empty one.

        Args:
            folder: The run folder, where pictures that were sent lie.
            most_bytes: Files beyond this are named, not shown.
        """
        self._folder = folder.resolve()
        self._room = most_bytes
        self._known: dict[str, Embedded] = {}
        self._count = 0

    @property
    def shared(self) -> list[Embedded]:
        """The pictures that are shown more than once."""
        return [picture for picture in self._known.values() if picture.uses > 1 and picture.uri]

    def file(self, name: str, alt: str) -> Embedded:
        """A picture of the run folder, as it is; never raises."""
        try:
            path = (self._folder / name).resolve()
            if not path.is_relative_to(self._folder):
                return self._none(name, alt, "it lies outside the run folder")
            data = path.read_bytes()
            kind, width, height = _looked_at(data)
        except FileNotFoundError:
            return self._none(name, alt, "the file is gone")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return self._none(name, alt, "the file cannot be read as a picture")
        digest = hashlib.sha256(data).hexdigest()
        if digest in self._known:
            self._known[digest].uses += 1
            return self._known[digest]
        if len(data) > self._room:
            return self._none(name, alt, "the page has no room for more pictures")
        self._known[digest] = self._embedded(data, kind, alt, width, height, name)
        return self._known[digest]

    def drawn(self, picture: Frame, alt: str) -> Embedded:
        """A picture that was made for the page."""
        data = encode_jpeg(picture, 82)
        if len(data) > self._room:
            return self._none("", alt, "the page has no room for more pictures")
        height, width = picture.shape[:2]
        return self._embedded(data, "image/jpeg", alt, width, height)

    def none(self, alt: str, why: str) -> Embedded:
        """The place of a picture that cannot be made."""
        return self._none("", alt, why)

    def _embedded(
        self, data: bytes, kind: str, alt: str, width: int, height: int, file: str = ""
    ) -> Embedded:
        self._room -= len(data)
        # Base64 has no letter that means anything to HTML.
        uri = Markup(f"data:{kind};base64,{base64.b64encode(data).decode()}")
        return Embedded(self._id(), alt, file, uri, width, height)

    def _none(self, file: str, alt: str, why: str) -> Embedded:
        return Embedded(self._id(), alt, file, missing=why)

    def _id(self) -> str:
        self._count += 1
        return f"picture-{self._count}"


def fitted(picture: Frame, short_side: int) -> Frame:
    """The picture with its short side so long, and the long one at most four times that.

    Small ones are enlarged, at most four times, so that lines drawn on them are thin.
    """
    height, width = picture.shape[:2]
    scale = min(short_side / min(height, width), 4 * short_side / max(height, width), 4.0)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized: Frame = cv2.resize(picture, size, interpolation=smooth).astype("uint8")
    return resized


def _looked_at(data: bytes) -> tuple[str, int, int]:
    """The kind of a picture, its width and height."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(data), formats=list(_KINDS)) as image:
            return _KINDS[str(image.format)], image.width, image.height
