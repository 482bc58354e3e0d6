"""Which frames of the source a video shows: range and stride, by number or by seconds."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from alref_agent.errors import ConfigError

_SECONDS = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*s")
_SLACK = 1e-3
"""Seconds by which a time may miss a frame: time stamps in milliseconds are rounded."""


def parse_position(text: int | str) -> int | float:
    """A place in a video: a frame number (`30`, int) or seconds (`1.5s`, float).

    Raises:
        ConfigError: It is neither, or negative.
    """
    if isinstance(text, int):
        if text < 0:
            raise ConfigError(f"{text} is not a place in a video: frames count from 0.")
        return text
    stripped = text.strip()
    if stripped.isdecimal():
        return int(stripped)
    if match := _SECONDS.fullmatch(stripped):
        return float(match[1])
    raise ConfigError(
        f"{text!r} is not a place in a video; write a frame number such as 30, or seconds as 1.5s."
    )


def select(
    times: npt.NDArray[np.float64] | Sequence[float],
    duration: float,
    *,
    start: int | str | None,
    end: int | str | None,
    every: int,
) -> range:
    """The numbers of the source's frames that are shown.

    Args:
        times: Seconds at which each frame of the source is shown, rising.
        duration: Seconds to the end of its last frame.
        start: First frame, or the time from which frames are shown; None is the beginning.
        end: The frame, or the time, before which the video ends; None is the end.
        every: Stride; 1 takes every frame.

    Raises:
        ConfigError: Nothing is left, or a bound lies beyond the end; says what the video has.
    """
    n = len(times)
    has = f"the video has {n} frame{'s' if n > 1 else ''} ({duration:.2f} s)"
    if every < 1:
        raise ConfigError(f"every={every}: take every 1st, 2nd, … frame; at least 1.")
    first = 0 if start is None else _frame(times, parse_position(start))
    place = None if end is None else parse_position(end)
    stop = n if place is None else _frame(times, place)
    if first >= n:
        raise ConfigError(f"start={start} lies beyond the end: {has}, frames 0 to {n - 1}.")
    # "5s" is how a person says the end of a video of 4.97 s.
    if stop > n or (isinstance(place, float) and place > math.ceil(duration)):
        raise ConfigError(f"end={end} lies beyond the end: {has}; leave it out to go to the end.")
    if first >= stop:
        raise ConfigError(f"start={start} and end={end} leave no frame; {has}.")
    return range(first, stop, every)


def indices(n_frames: int, start: int, stop: int | None, step: int) -> range:
    """`range(start, stop, step)` within a video of `n_frames`; a missing stop is the far end.

    Raises:
        IndexError: `start` is no frame of the video.
        ValueError: `step` is 0.
    """
    if step == 0:
        raise ValueError("step must not be 0")
    if start < 0 or start > n_frames or (step < 0 and start == n_frames):
        raise IndexError(f"frame {start} of a video with {n_frames} frames")
    if step > 0:
        return range(start, n_frames if stop is None else min(stop, n_frames), step)
    return range(start, -1 if stop is None else max(stop, -1), step)


def frame_rate(times: Sequence[float], otherwise: float) -> float:
    """Mean frames a second of frames shown at `times`; `otherwise` for a single frame."""
    if len(times) < 2 or times[-1] <= times[0]:
        return otherwise
    return (len(times) - 1) / (times[-1] - times[0])


def runs(numbers: Sequence[int], at_most: int = 8) -> str:
    """`3, 7-9`: rising numbers for a person to read."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    parts = [f"{a}-{b}" if b > a else f"{a}" for a, b in spans[:at_most]]
    return ", ".join(parts) + (", …" if len(spans) > at_most else "")


def _frame(times: npt.NDArray[np.float64] | Sequence[float], place: int | float) -> int:
    if isinstance(place, int):
        return place
    return int(np.searchsorted(np.asarray(times), place - _SLACK))
