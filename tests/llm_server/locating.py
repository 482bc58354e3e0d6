"""Minds that say where something is, in pixels of the picture that came or in any other form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import cv2
import numpy as np

from llm_server.seen import Answer, Rgb, Seen, says

Place: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels of the picture as it came."""
Look: TypeAlias = Callable[[Rgb], "Place | None"]
_APART = 80
"""A channel's difference that smaller pictures and JPEG make within a plain area."""


def locates(
    look: Look, form: str | None = None, dressed: str = "{}", **more: Any
) -> Callable[[Seen], Answer]:
    """A mind that looks at the last picture.

    Args:
        look: Finds it.
        form: How it writes boxes: `pixels`, `thousand`, `unit`, `gemini`, `paligemma`, `internvl`;
            None: as the prompt asks.
        dressed: What stands around the JSON, at `{}`.
        more: Fields of every entry besides the box and the label.
    """

    def mind(seen: Seen) -> Answer:
        if seen.step != "detect" or not seen.pictures:
            return says("I only say where things are.")
        picture = seen.pictures[-1]
        place = look(picture)
        text = "[]" if place is None else written(place, picture, form or asked_form(seen), more)
        return says(dressed.replace("{}", text))

    return mind


def asked_form(seen: Seen) -> str:
    """The form that the words of a prompt ask for."""
    if "bbox_2d" not in seen.text:
        return "paligemma" if "1024" in seen.text else "gemini"
    if "in pixels" in seen.text:
        said = re.search(r"(\d+) wide and (\d+) high", seen.text)
        assert said is not None
        assert (int(said[2]), int(said[1])) == seen.pictures[-1].shape[:2], "another picture"
        return "pixels"
    return "unit" if "decimal numbers" in seen.text else "thousand"


def written(place: Place, picture: Rgb, form: str, more: dict[str, Any] | None = None) -> str:
    """A box in the form of a kind of models."""
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = (v / side for v, side in zip(place, (width, height) * 2, strict=True))
    thousand = [round(1000 * v) for v in (x0, y0, x1, y1)]
    if form == "paligemma":
        tokens = "".join(f"<loc{min(1023, round(1024 * v)):04}>" for v in (y0, x0, y1, x1))
        return f"{tokens} thing"
    if form == "internvl":
        return f"<ref>thing</ref><box>[{thousand}]</box>"
    if form == "gemini":
        entry: dict[str, Any] = {"box_2d": [round(1000 * v) for v in (y0, x0, y1, x1)]}
    elif form == "pixels":
        entry = {"bbox_2d": [round(v) for v in place]}
    else:
        unit = [round(v, 4) for v in (x0, y0, x1, y1)]
        entry = {"bbox_2d": unit if form == "unit" else thousand}
    return json.dumps([entry | {"label": "thing"} | (more or {})])


def place_of(picture: Rgb, colour: tuple[int, int, int]) -> Place | None:
    """Around the largest area of a colour; None where there is none."""
    apart = np.abs(picture.astype(np.int16) - np.array(colour, np.int16)).max(axis=2)
    _, _, stats, _ = cv2.connectedComponentsWithStats((apart <= _APART).astype(np.uint8))
    if len(stats) < 2:
        return None
    x, y, w, h, _ = max(stats[1:].tolist(), key=lambda blob: blob[4])
    return float(x), float(y), float(x + w), float(y + h)


def middle(picture: Rgb) -> Place:
    """The middle half of the picture, each way."""
    height, width = picture.shape[:2]
    return 0.25 * width, 0.25 * height, 0.75 * width, 0.75 * height
