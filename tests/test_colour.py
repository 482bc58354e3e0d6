"""Colours of boxes, on pictures made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from alref_agent.tools.detection.colour import agreement, share
from alref_agent.tools.detection.colour_words import COLOURS, colour_name
from alref_agent.types import Floats, Frame

PAINTS = {
    "red": (200, 30, 30),
    "orange": (240, 130, 20),
    "yellow": (240, 220, 40),
    "golden": (215, 165, 70),
    "green": (40, 140, 50),
    "cyan": (40, 190, 200),
    "blue": (30, 60, 180),
    "purple": (120, 50, 160),
    "pink": (240, 130, 190),
    "brown": (110, 70, 35),
    "white": (235, 235, 230),
    "gray": (128, 128, 130),
    "black": (22, 22, 26),
}
ALL = np.array([0, 0, 64, 48], np.float32)


def painted(rgb: tuple[int, int, int], height: int = 48, width: int = 64) -> Frame:
    frame = np.zeros((height, width, 3), np.uint8)
    frame[:] = rgb
    # A lamp in the corner fixes what bright is.
    frame[:16, -16:] = 255
    return frame


@pytest.mark.parametrize("name", sorted(PAINTS))
def test_each_colour_is_nearest_to_itself(name: str) -> None:
    box = np.array([0, 16, 48, 48], np.float32)
    shares = {other: share(painted(PAINTS[name]), box, other) for other in PAINTS}
    assert max(shares, key=lambda other: shares[other]) == name
    assert shares[name] > 0.8


def test_every_word_has_a_range() -> None:
    frame = painted((10, 20, 30))
    for word in COLOURS:
        assert 0 <= share(frame, ALL, colour_name(word)) <= 1


def test_the_man_in_red_before_the_man_in_blue() -> None:
    frame = painted((120, 125, 110), 100, 200)
    frame[30:60, 35:65] = PAINTS["red"]
    frame[30:60, 135:165] = PAINTS["blue"]
    boxes: Floats = np.array([[25, 5, 75, 95], [125, 5, 175, 95]], np.float32)
    red, blue = agreement(frame, boxes, ["red"]), agreement(frame, boxes, ["blue"])
    assert red[0] > 0.9 and red[1] < 0.1
    assert blue[1] > 0.9 and blue[0] < 0.1


def test_shade_of_light_does_not_matter_much() -> None:
    frame = painted((120, 20, 20))
    frame[:, :32] = (200, 40, 40)
    halves: Floats = np.array([[0, 16, 32, 48], [32, 16, 64, 48]], np.float32)
    assert agreement(frame, halves, ["red"]).min() > 0.9


def test_light_and_dark() -> None:
    box = np.array([0, 16, 48, 48], np.float32)
    navy, sky = painted((10, 20, 80)), painted((150, 190, 250))
    assert share(navy, box, "dark blue") > 0.8 > 0.2 > share(navy, box, "light blue")
    assert share(sky, box, "light blue") > 0.8 > 0.2 > share(sky, box, "dark blue")
    assert share(navy, box, "dark") > 0.8
    assert share(sky, box, "light") > 0.8


def test_two_colours_ask_for_both() -> None:
    frame = painted(PAINTS["black"])
    whole: Floats = np.array([[0, 16, 48, 48]], np.float32)
    one = agreement(frame, whole, ["black", "white"])[0]
    frame[16:48, :24] = PAINTS["white"]
    assert agreement(frame, whole, ["black", "white"])[0] > 0.9 > 0.6 > one


def test_degenerate_boxes() -> None:
    frame = painted((1, 2, 3))
    boxes: Floats = np.array([[5, 5, 5, 5], [63, 47, 64, 48], [0, 0, 64, 48]], np.float32)
    assert agreement(frame, boxes, ["red"]).shape == (3,)
    assert agreement(frame, boxes[:0], ["red"]).shape == (0,)
    assert agreement(frame, boxes, []).tolist() == [1, 1, 1]
