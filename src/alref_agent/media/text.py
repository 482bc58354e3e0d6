"""Words in pictures: fonts that have the letters, labels, numbered discs."""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from alref_agent.types import Frame

# By likelihood to be there and legible: the usual ones of Linux, macOS and Windows, then ones with
# the scripts that those lack.
_FONTS = (
    "DejaVuSans-Bold.ttf",
    "DejaVuSans.ttf",
    "NotoSans-Bold.ttf",
    "LiberationSans-Bold.ttf",
    "Arial Bold.ttf",
    "arialbd.ttf",
    "Arial.ttf",
    "arial.ttf",
    "NotoSansCJK-Bold.ttc",
    "NotoSansCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "PingFang.ttc",
    "NotoSansArabic-Bold.ttf",
    "NotoSansDevanagari-Bold.ttf",
)
_ABSENT = "\uffff"
"""A code point that no font has, to see what a font draws for letters that it lacks."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@cache
def _font(name: str, size: int) -> Font | None:
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


@cache
def _draws(name: str, letter: str) -> bool:
    font = _font(name, 20)
    if font is None:
        return False
    return bytes(font.getmask(letter)) != bytes(font.getmask(_ABSENT))


@cache
def font_for(text: str, size: int) -> Font:
    """The first font found that has every letter of `text`, or else the most of them.

    Without any font on the machine Pillow's own is used, which has Latin letters only; letters
    that no font has are drawn as empty boxes.
    """
    letters = {c for c in text if not c.isspace()}
    best, best_missing = None, len(letters) + 1
    for name in _FONTS:
        font = _font(name, size)
        if font is None:
            continue
        missing = sum(not _draws(name, letter) for letter in letters)
        if missing < best_missing:
            best, best_missing = font, missing
        if not missing:
            break
    return best if best is not None else ImageFont.load_default(size)


def ink_on(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    """Black or white, whichever is easier to read on `colour`."""
    red, green, blue = ((value / 255) ** 2.2 for value in colour)
    return (0, 0, 0) if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.3 else (255, 255, 255)


@cache
def label(text: str, size: int, colour: tuple[int, int, int], max_width: int) -> Frame:
    """A filled box with words on it, `(h, w, 3)`; read-only, since it is shared.

    Args:
        text: Any text; it is cut to two lines with an ellipsis.
        size: Height of the letters in pixels.
        colour: Of the box; the letters are black or white.
        max_width: Pixels that the box may be wide.
    """
    text = " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in text).split())
    font = font_for(text, size)
    pad = max(2, size // 4)
    lines = _wrapped(text, font, max(max_width - 2 * pad, size), 2)
    line_height = round(size * 1.25)
    width = max((round(font.getlength(line)) for line in lines), default=0) + 2 * pad
    width = min(max(width, 2 * pad + 1), max(max_width, 1))
    image = Image.new("RGB", (width, line_height * len(lines) + pad), colour)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        middle = pad / 2 + line_height * (number + 0.5)
        _write(draw, (pad, middle), line, font, ink_on(colour), "lm")
    pixels = np.array(image)
    pixels.flags.writeable = False
    return pixels


@cache
def digits(number: int, height: int) -> Frame:
    """A number without a background, `(height, w)`, 255 where there is ink; read-only.

    The font comes with Pillow, made bolder: what an LLM is shown does not depend on the fonts of
    the machine.

    Args:
        number: What to write, at least 0.
        height: Of the digits, in pixels.
    """
    scale = 4  # Drawn large and shrunk, because hinting deforms small digits.
    em = height * scale / 0.82
    stroke = em / 34
    font = ImageFont.load_default(em)
    text = str(number)
    # Digits keep a distance, so that they do not run together when the picture is shrunk.
    step = 0.64 * em
    image = Image.new("L", (round(step * len(text)), height * scale))
    draw = ImageDraw.Draw(image)
    for place, digit in enumerate(text):
        middle = step * (place + 0.5)
        at = (middle, image.height - 0.055 * em)
        draw.text(at, digit, fill=255, font=font, anchor="ms", stroke_width=stroke)
    width = max(1, round(image.width / scale))
    pixels = np.array(image.resize((width, height), Image.Resampling.BOX))
    pixels.flags.writeable = False
    return pixels


@cache
def plate(number: int, height: int, colour: tuple[int, int, int]) -> Frame:
    """A number on a filled box with a dark rim, `(h, w, 3)`; read-only.

    Args:
        number: What to write.
        height: Of the digits, in pixels; the box is about half as high again.
        colour: Of the box; the digits are black or white.
    """
    ink = digits(number, height)
    pad, rim = max(2, round(height / 4.5)), max(1, height // 16)
    edge = pad + rim
    pixels = np.zeros((ink.shape[0] + 2 * edge, ink.shape[1] + 2 * edge - pad, 3), np.uint8)
    pixels[rim:-rim, rim:-rim] = colour
    solid = np.broadcast_to(np.array(ink_on(colour), np.uint8), (*ink.shape, 3))
    paste(pixels, solid, edge - pad // 2, edge, np.repeat(ink[..., None], 3, axis=2))
    pixels.flags.writeable = False
    return pixels


@cache
def disc(number: int, size: int) -> tuple[Frame, Frame]:
    """A number in a black disc with a white rim.

    Args:
        number: What to write.
        size: Diameter in pixels.

    Returns:
        Picture and opacity, both `(size, size, 3)` uint8, read-only.
    """
    scale = 4  # Drawn large and shrunk, because Pillow's circles have no smooth edges.
    side = size * scale
    image, opacity = Image.new("RGB", (side, side)), Image.new("L", (side, side))
    ring = max(scale, side // 14)
    ImageDraw.Draw(opacity).ellipse((0, 0, side - 1, side - 1), fill=255)
    draw = ImageDraw.Draw(image)
    draw.ellipse((0, 0, side - 1, side - 1), fill=(255, 255, 255))
    if side > 2 * ring:
        draw.ellipse((ring, ring, side - 1 - ring, side - 1 - ring), fill=(0, 0, 0))
    small = np.array(image.resize((size, size), Image.Resampling.BOX))
    alpha = np.array(opacity.resize((size, size), Image.Resampling.BOX))
    n = len(str(number))
    ink = digits(number, max(1, round(size * {1: 0.56, 2: 0.45}.get(n, 0.98 / n))))
    x, y = (size - ink.shape[1]) / 2, (size - ink.shape[0]) / 2
    white = np.full((*ink.shape, 3), 255, np.uint8)
    paste(small, white, round(x), round(y), np.repeat(ink[..., None], 3, axis=2))
    shared = small, np.repeat(alpha[..., None], 3, axis=2)
    for part in shared:
        part.flags.writeable = False
    return shared


def paste(picture: Frame, patch: Frame, x: int, y: int, opacity: Frame | None = None) -> None:
    """Put `patch` into `picture` with its upper-left corner at `(x, y)`, cut at the borders."""
    top, left = max(y, 0), max(x, 0)
    bottom = min(y + patch.shape[0], picture.shape[0])
    right = min(x + patch.shape[1], picture.shape[1])
    if top >= bottom or left >= right:
        return
    inside = np.s_[top - y : bottom - y, left - x : right - x]
    target = picture[top:bottom, left:right]
    if opacity is None:
        target[:] = patch[inside]
        return
    weight = opacity[inside].astype(np.uint16)
    target[:] = ((patch[inside] * weight + target * (255 - weight) + 127) // 255).astype(np.uint8)


def _wrapped(text: str, font: Font, width: int, n_lines: int) -> list[str]:
    """At most `n_lines` lines that fit; what does not is cut with an ellipsis."""
    lines: list[str] = []
    rest = text
    while rest and len(lines) < n_lines:
        if font.getlength(rest) <= width:
            return [*lines, rest]
        if len(lines) == n_lines - 1:
            return [*lines, _cut(rest, font, width)]
        fits = _fitting(rest, "", font, width)
        space = rest.rfind(" ", 0, fits + 1)
        # Scripts without spaces, and words longer than a line, break anywhere.
        end = space if space > 0 else max(fits, 1)
        lines.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return lines


def _cut(text: str, font: Font, width: int) -> str:
    return text[: _fitting(text, "…", font, width)].rstrip() + "…"


def _fitting(text: str, tail: str, font: Font, width: int) -> int:
    """How many letters of `text` fit, followed by `tail`."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        fits = font.getlength(text[:middle].rstrip() + tail) <= width
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def _write(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    font: Font,
    ink: tuple[int, int, int],
    anchor: str,
) -> None:
    try:
        draw.text(at, text, fill=ink, font=font, anchor=anchor)
    except (UnicodeError, ValueError, OSError):
        # Bitmap fonts know neither anchors nor letters beyond Latin-1.
        plain = text.encode("ascii", "replace").decode()
        draw.text((at[0] if anchor == "lm" else 0, max(at[1] - 6, 0)), plain, fill=ink)
