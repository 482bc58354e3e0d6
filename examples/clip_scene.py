"""The example clip's play: who stands where, how each animal moves, and the camera.

Coordinates: "cut-out" is a pixel of an animal's picture, "world" a pixel of the meadow's picture,
"screen" a pixel of the frame. Time is in frames and may be fractional (motion blur). The outlines
of legs were read off the pictures by eye.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Matrix: TypeAlias = npt.NDArray[np.float64]
Polygon: TypeAlias = tuple[tuple[float, float], ...]

WIDTH, HEIGHT, FPS, N_FRAMES = 640, 360, 24, 72

EXPRESSIONS: dict[str, list[str]] = {
    "1": ["the white cow", "the cow facing the camera"],
    "2": ["the big sheep grazing", "the sheep with the thick white fleece"],
    "3": ["the lamb with the black head", "the small sheep that runs in from the right"],
}
"""obj_id -> expressions."""


@dataclass(frozen=True)
class Leg:
    """A leg, cut out of the picture so that it can swing."""

    outline: Polygon
    hip: tuple[float, float]
    phase: float
    """Share of the stride by which this leg is ahead."""
    offset: tuple[float, float] = (0.0, 0.0)
    """Where a far leg, which the photograph hides, repeats the near one."""
    shade: float = 1.0
    in_front: bool = False
    """Drawn over the body, for a leg that begins high on it."""


@dataclass(frozen=True)
class Bend:
    """A soft rotation of one region, for a head or an ear."""

    centre: tuple[float, float]
    radius: float
    degrees: Callable[[float], float]
    shift: Callable[[float], tuple[float, float]] = lambda t: (0.0, 0.0)


@dataclass(frozen=True)
class Animal:
    """One object of the clip."""

    obj_id: int
    picture: str
    legs: tuple[Leg, ...]
    bends: tuple[Bend, ...]
    erase: tuple[Polygon, ...]
    """What the body's layer leaves to the legs."""
    anchor: tuple[float, float]
    """The cut-out's point on the ground."""
    path: Callable[[float], tuple[float, float, float]]
    """Time -> x and y of the anchor in the world, world pixels per cut-out pixel."""
    stride: float
    """Frames in one full step."""
    swing: float
    """Degrees to either side."""
    lift: float
    """How much a leg shortens while it moves forward, as a share."""
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Colour correction towards the light of the meadow."""
    mirrored: bool = False


def wave(t: float, period: float, phase: float = 0.0) -> float:
    """A sine with a period in frames."""
    return float(np.sin(2 * np.pi * (t / period + phase)))


SHEEP_FRONT: Polygon = ((94, 112), (112, 112), (121, 154), (94, 154))
LAMB_FRONT: Polygon = (
    *((80, 62), (92, 64), (99, 72), (100, 88), (99, 98), (105, 113), (95, 116)),
    *((86, 111), (86, 98), (84, 80)),
)
LAMB_HIND: Polygon = (
    *((8, 68), (19, 61), (30, 50), (46, 52), (44, 62), (34, 71), (27, 84), (20, 100)),
    *((19, 112), (8, 116), (0, 108), (6, 84)),
)
ANIMALS = (
    Animal(
        obj_id=1,
        picture="cow_white.png",
        legs=(
            Leg(((46, 118), (70, 118), (70, 210), (46, 210)), (58, 124), 0.5),
            Leg(((62, 150), (96, 150), (96, 250), (62, 250)), (80, 158), 0.0, in_front=True),
            Leg(((114, 158), (142, 158), (142, 250), (114, 250)), (130, 164), 0.5, in_front=True),
        ),
        bends=(
            Bend(
                (42, 82), 62, lambda t: 3.0 * wave(t, 60), lambda t: (0.0, 3.0 * wave(t, 60, 0.2))
            ),
            Bend((84, 24), 20, lambda t: 16.0 * max(0.0, wave(t, 24)) ** 3),
            Bend((15, 28), 18, lambda t: -14.0 * max(0.0, wave(t, 36, 0.4)) ** 3),
        ),
        erase=(
            ((46, 126), (61, 126), (64, 150), (68, 212), (46, 212)),
            ((62, 164), (88, 164), (92, 180), (94, 250), (62, 250)),
            ((118, 172), (142, 172), (142, 250), (114, 250)),
        ),
        anchor=(100, 248),
        path=lambda t: (815 - 0.55 * t, 556 + 0.16 * t, 1.24 + 0.0016 * t),
        stride=30,
        swing=1.5,
        lift=0.045,
        gain=(0.93, 0.93, 0.92),
    ),
    Animal(
        obj_id=2,
        picture="sheep.png",
        legs=(
            Leg(SHEEP_FRONT, (103, 114), 0.5, offset=(15, -6), shade=0.7),
            Leg(((31, 84), (57, 84), (57, 138), (31, 138)), (42, 92), 0.75, shade=0.9),
            Leg(SHEEP_FRONT, (103, 114), 0.0),
            Leg(((2, 86), (26, 86), (26, 138), (2, 138)), (15, 88), 0.25, in_front=True),
        ),
        bends=(
            Bend((165, 128), 48, lambda t: 2.5 * wave(t, 31), lambda t: (0.0, 1.5 * wave(t, 17))),
        ),
        erase=(
            ((32, 92), (37, 96), (47, 100), (58, 100), (58, 138), (32, 138)),
            ((92, 120), (121, 120), (121, 154), (92, 154)),
            ((0, 96), (26, 96), (26, 138), (0, 138)),
        ),
        anchor=(90, 144),
        path=lambda t: (330 + 3.9 * t, 478 + 0.12 * t, 0.99 + 0.0006 * t),
        stride=22,
        swing=21,
        lift=0.10,
        gain=(0.97, 0.97, 0.97),
    ),
    Animal(
        obj_id=3,
        picture="sheep_lamb.png",
        legs=(
            Leg(LAMB_FRONT, (92, 64), 0.5, offset=(9, -3), shade=0.7),
            Leg(LAMB_HIND, (27, 58), 0.0, offset=(9, -3), shade=0.7),
            Leg(LAMB_FRONT, (92, 64), 0.0, in_front=True),
            Leg(LAMB_HIND, (27, 58), 0.5, in_front=True),
        ),
        bends=(
            Bend((112, 45), 34, lambda t: 3.0 * wave(t, 15)),
            Bend((14, 45), 20, lambda t: 9.0 * wave(t, 9)),
        ),
        erase=(
            ((0, 69), (20, 66), (36, 62), (52, 58), (52, 116), (0, 116)),
            ((78, 70), (92, 70), (97, 63), (103, 63), (108, 73), (114, 74), (114, 116), (78, 116)),
        ),
        anchor=(58, 112),
        path=lambda t: (1085 - 8.6 * (t - 8), 582 - 0.1 * t, 1.22 - 0.0006 * t),
        stride=15,
        swing=25,
        lift=0.14,
        gain=(1.0, 1.0, 1.0),
        mirrored=True,
    ),
)


def camera(t: float) -> Matrix:
    """World to screen: a pan with a slow zoom, an unsteady hand, a slight turn of perspective."""
    pace = t / (N_FRAMES - 1)
    ease = pace * pace * (3 - 2 * pace)
    x = 525 + 105 * ease + 1.2 * wave(t, 41) + 0.6 * wave(t, 17, 0.3)
    y = 327 + 0.9 * wave(t, 37, 0.1) + 0.5 * wave(t, 13, 0.6)
    zoom = WIDTH / (1000 - 55 * ease)
    angle = np.deg2rad(0.25 * wave(t, 53, 0.2))
    c, s = zoom * np.cos(angle), zoom * np.sin(angle)
    pan = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]], np.float64)
    turn = np.array([[c, -s, 0], [s, c, 0], [-4e-5 + 8e-5 * pace, 2e-5 * pace, 1]], np.float64)
    middle = np.array([[1, 0, WIDTH / 2], [0, 1, HEIGHT / 2], [0, 0, 1]], np.float64)
    return middle @ turn @ pan
