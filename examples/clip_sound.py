"""The example clip's sound, made from nothing: wind, and a lamb's voice."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Glide: TypeAlias = tuple[tuple[float, float], ...]
"""(Share of the time, value) pairs."""

RATE = 48_000


def glide(n: int, points: Glide) -> npt.NDArray[np.float64]:
    """A value that moves in straight lines through (share of the time, value)."""
    at, values = zip(*points, strict=True)
    return np.asarray(np.interp(np.linspace(0, 1, n), at, values), np.float64)


def bleat(seconds: float, pitch: float, seed: int) -> npt.NDArray[np.float64]:
    """A lamb's voice: overtones of a trembling tone, shaped by four formants, and some breath."""
    n = int(seconds * RATE)
    tremble = np.sin(2 * np.pi * 9.5 * np.arange(n) / RATE)
    tone = glide(n, ((0, 0.86), (0.2, 1.0), (1, 0.76))) * pitch * (1 + 0.06 * tremble)
    phase = np.cumsum(tone) / RATE
    formants: tuple[tuple[Glide, float, float], ...] = (
        (((0, 700), (0.15, 1200), (1, 900)), 180, 1.0),
        (((0, 1700), (1, 1900)), 220, 0.7),
        (((0, 2900), (1, 2900)), 300, 0.5),
        (((0, 4200), (1, 4200)), 500, 0.3),
    )
    voice = np.zeros(n)
    for overtone in range(1, 40):
        frequency = overtone * tone
        gain = sum(
            height / (1 + ((frequency - glide(n, centre)) / width) ** 2)
            for centre, width, height in formants
        )
        gain = np.where(frequency < RATE / 4, gain, 0)
        voice += gain * np.sin(2 * np.pi * overtone * phase) / overtone**0.35
    voice += 0.05 * float(np.abs(voice).max()) * np.random.default_rng(seed).normal(size=n)
    voice *= (0.7 - 0.3 * tremble) * glide(n, ((0, 0), (0.12, 1), (0.7, 0.8), (1, 0)))
    return voice / float(np.abs(voice).max())


def soundtrack(seconds: float) -> npt.NDArray[np.float32]:
    """Wind, and two calls of the lamb as it comes and as it passes the sheep; mono in [-1, 1]."""
    n = round(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(7).normal(size=n))
    hertz = np.fft.rfftfreq(n, 1 / RATE)
    wind = np.fft.irfft(spectrum / (1 + (hertz / 220) ** 1.5), n)
    gusts = 0.7 + 0.3 * np.sin(2 * np.pi * np.arange(n) / RATE / 2.3)
    sound = 0.03 * wind / float(wind.std()) * gusts
    for start, duration, pitch, loudness in ((0.75, 0.8, 400.0, 0.45), (2.05, 0.7, 425.0, 0.55)):
        call = loudness * bleat(duration, pitch, seed=int(pitch))
        first = int(start * RATE)
        sound[first : first + len(call)] += call
    edge = np.minimum(1, np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.05 * RATE))
    return np.asarray(np.clip(sound * edge, -1, 1), np.float32)
