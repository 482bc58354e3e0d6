"""What is put on the page as words: anybody's text made harmless, numbers made readable."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

_UNSEEN = re.compile(
    # Control characters except tab and line feed; marks that turn the direction of writing; spaces
    # without width; line separators; what belongs to no character; tags.
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff\U000e0000-\U000e0fff]+"
)
_MARKS = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{6})"
    "([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+)"
)
"""More accents on one letter than any writing has; they would run over what stands around."""
_NAMED = 8
"""Of a row of unseen characters, so many are named; a reply may have a million of them."""
LONGEST = 200_000
"""Characters of one text; what is longer is cut, and whole in `result.json`."""


def seen(text: str) -> str:
    """The text with everything that cannot be seen written out, as `⟨U+202E⟩`.

    Joiners stay: some languages are misspelt, and some emoji fall apart, without them.
    """
    text = _UNSEEN.sub(_named, text.replace("\r\n", "\n"))
    return _MARKS.sub(lambda match: f"{match[1]}⟨{len(match[2]):,} more accents⟩", text)


def finalize(value: Any) -> Any:
    """What the template does with every value before it is escaped."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return seen(value)
    return value


def cut(text: str, longest: int = LONGEST) -> str:
    """The text, or its beginning and how much is left out."""
    if len(text) <= longest:
        return text
    return f"{text[:longest]}\n… {len(text) - longest:,} more characters are in result.json."


def shorter(text: str, longest: int = 80) -> str:
    """One line of it at most, for names of things."""
    line = " ".join(text[: 4 * longest].split())
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 frame`, `1,200 frames`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def clock(seconds: float) -> str:
    """A moment of the video: `2.96 s`, `12:05.3`, `1:02:05`."""
    if not math.isfinite(seconds):
        return "?"
    if seconds < 60:
        return f"{seconds:.2f} s"
    if seconds < 3600:
        tenths = round(seconds * 10)
        return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def took(seconds: float) -> str:
    """How long something took: `0.4 s`, `2 min 5 s`."""
    if not math.isfinite(seconds):
        return "?"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60:,} min {int(seconds) % 60} s"


def money(dollars: float | None) -> str:
    """US dollars, to as many places as a small sum needs; None: unknown."""
    if dollars is None:
        return "price unknown"
    if dollars == 0:
        return "$0"
    return f"${dollars:,.2f}" if dollars >= 1 else f"${dollars:.4f}"


class Places:
    """Puts names in the place of folders that concern nobody but the owner of the machine."""

    def __init__(self, folders: Mapping[Path, str]) -> None:
        """Take the folders.

        Args:
            folders: Absolute folder -> what is said instead. The root is left alone.
        """
        names = {str(folder): name for folder, name in folders.items() if len(folder.parts) > 1}
        self._names = names
        # The longest first: the run's folder may lie in the home folder.
        ordered = sorted(names, key=len, reverse=True)
        one_of = "|".join(map(re.escape, ordered)) or "(?!)"
        self._pattern = re.compile(rf"(?<![\w.-])({one_of})(?![\w.-])")

    def __call__(self, text: str) -> str:
        """The text with those folders named."""
        return self._pattern.sub(lambda match: self._names[match[1]], text)


def _named(match: re.Match[str]) -> str:
    row = match[0]
    named = " ".join(f"U+{ord(character):04X}" for character in row[:_NAMED])
    more = f" … {len(row):,} in all" if len(row) > _NAMED else ""
    return f"⟨{named}{more}⟩"
