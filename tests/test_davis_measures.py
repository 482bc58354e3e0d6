"""J, F and their statistics against the official code's figures, and on masks made by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from alref_agent.evaluation.boundary import boundary_accuracy, outline, radius
from alref_agent.evaluation.region import region_similarity
from alref_agent.evaluation.statistics import statistics

GOLDEN = Path(__file__).parents[2] / "shared" / "data" / "golden"
golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="../shared/data/golden is not here")


def cases() -> list[str]:
    return sorted(p.stem for p in (GOLDEN / "davis_synth" / "binary").glob("*.npz"))


def unpacked(arrays: Any, name: str, shape: list[int]) -> npt.NDArray[np.bool_] | None:
    if name not in arrays:
        return None
    array = arrays[name]
    if "packed" in arrays and int(arrays["packed"]) == 1:
        array = np.unpackbits(array)[: math.prod(shape)].reshape(shape)
    return np.asarray(array, dtype=np.bool_)


@golden
@pytest.mark.parametrize("case", cases())
def test_official_figures_on_small_arrays(case: str) -> None:
    expected = json.loads((GOLDEN / "davis_synth" / "expected_binary.json").read_text())
    want = expected["cases"][case]
    with np.load(GOLDEN / "davis_synth" / "binary" / f"{case}.npz") as arrays:
        truth = unpacked(arrays, "gt", want["shape"])
        prediction = unpacked(arrays, "pred", want["shape"])
        void = unpacked(arrays, "void", want["shape"])
    assert truth is not None and prediction is not None
    voids = [None] * len(truth) if void is None else list(void)
    j = [region_similarity(p, t, v) for p, t, v in zip(prediction, truth, voids, strict=True)]
    f = [
        boundary_accuracy(p, t, v, want["bound_th"])
        for p, t, v in zip(prediction, truth, voids, strict=True)
    ]
    height, width = truth.shape[1:]
    assert radius(height, width, want["bound_th"]) == want["radius_px"]
    np.testing.assert_allclose(j, want["J"], atol=1e-9)
    np.testing.assert_allclose(f, want["F"], atol=1e-9)
    for name, values in (("J", j), ("F", f)):
        got = statistics(values)
        mean, recall, decay = want["all_frames"][f"{name}_mean_recall_decay"]
        assert (got.mean, got.recall) == pytest.approx((mean, recall), abs=1e-9)
        # From 256 frames on, the official decay is an overflow.
        if len(values) < 256:
            assert got.decay == pytest.approx(decay, abs=1e-9)


@golden
def test_decay_of_every_length() -> None:
    path = GOLDEN / "davis_synth" / "expected_decay_by_length.json"
    by_numpy = json.loads(path.read_text())["by_numpy"]
    for lengths in by_numpy.values():
        for length, want in lengths.items():
            got = statistics(np.linspace(1, 0, int(length)).tolist())
            assert got.decay == pytest.approx(want["decay_without_8bit_wrap"], abs=1e-9)


@golden
@pytest.mark.parametrize("sequence", ["bmx-trees", "blackswan"])
def test_official_figures_on_published_masks(sequence: str) -> None:
    folder = GOLDEN / "davis_osvos"
    want = json.loads((folder / "expected.json").read_text())["sequences"][sequence]
    files = sorted((folder / "gt" / sequence).glob("*.png"))
    assert len(files) == want["frames"]
    for i in range(0, len(files), 7):
        truth = np.asarray(Image.open(files[i])) > 0
        prediction = np.asarray(Image.open(folder / "osvos" / sequence / files[i].name)) > 0
        assert region_similarity(prediction, truth) == pytest.approx(
            want["J_per_frame"][i], abs=1e-9
        )
        assert boundary_accuracy(prediction, truth) == pytest.approx(
            want["F_per_frame"][i], abs=1e-9
        )


def square(top: int, left: int, side: int = 4, size: int = 16) -> npt.NDArray[np.bool_]:
    mask = np.zeros((size, size), np.bool_)
    mask[top : top + side, left : left + side] = True
    return mask


def test_region_similarity_by_hand() -> None:
    empty = np.zeros((16, 16), np.bool_)
    assert region_similarity(square(2, 2), square(2, 4)) == pytest.approx(8 / 24)
    assert region_similarity(empty, empty) == 1.0
    assert region_similarity(square(2, 2), empty) == 0.0
    assert region_similarity(square(2, 2), square(2, 4), void=square(2, 2)) == 0.0
    assert region_similarity(square(2, 2), square(2, 2), void=square(2, 2)) == 1.0


def test_outline_lies_up_and_left_of_the_change() -> None:
    mask = np.zeros((3, 3), np.bool_)
    mask[1, 1] = True
    assert outline(mask).tolist() == [[True, True, False], [True, True, False], [False] * 3]


def test_boundary_tolerates_small_shifts_only() -> None:
    assert boundary_accuracy(square(2, 2), square(2, 3), tolerance=1) == 1.0
    assert boundary_accuracy(square(2, 2), square(9, 9), tolerance=1) == 0.0
    empty, full = np.zeros((16, 16), np.bool_), np.ones((16, 16), np.bool_)
    assert boundary_accuracy(empty, square(2, 2)) == 0.0
    # The frame's edge is no outline: the official code scores this 1.
    assert boundary_accuracy(full, empty) == 1.0


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="prediction"):
        region_similarity(square(0, 0, size=8), square(0, 0))
    with pytest.raises(ValueError, match="bool"):
        boundary_accuracy(square(0, 0).astype(np.uint8), square(0, 0))
    with pytest.raises(ValueError, match="at least one"):
        statistics([])
