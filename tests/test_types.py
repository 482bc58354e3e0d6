from __future__ import annotations

import numpy as np
import pytest

from alref_agent.types import BoxTrack, Detections, ObjectMask, Prompt, Target


def test_detections_of_a_wrong_shape_are_refused_with_both_shapes() -> None:
    with pytest.raises(ValueError, match=r"boxes: float32 \(2, 4\) expected, got float32 \(1, 4\)"):
        Detections(
            0,
            np.zeros((1, 4), np.float32),
            np.zeros(2, np.float32),
            ("a", "b"),
            np.zeros(2, np.int32),
        )
    with pytest.raises(ValueError, match=r"scores: float32 \(1,\) expected, got float64 \(1,\)"):
        Detections(
            0,
            np.zeros((1, 4), np.float32),
            np.zeros(1),  # type: ignore[arg-type]
            ("a",),
            np.zeros(1, np.int32),
        )
    with pytest.raises(ValueError, match="1 phrases expected, got 0"):
        Detections(
            0, np.zeros((1, 4), np.float32), np.zeros(1, np.float32), (), np.zeros(1, np.int32)
        )


def test_a_box_track_has_rising_frames() -> None:
    boxes, scores = np.zeros((2, 4), np.float32), np.zeros(2, np.float32)
    with pytest.raises(ValueError, match="must increase"):
        BoxTrack(0, "dog", 1.0, 0.0, np.array([3, 3], np.int32), boxes, scores)
    with pytest.raises(ValueError, match="at least one box"):
        BoxTrack(0, "dog", 1.0, 0.0, np.zeros(0, np.int32), boxes[:0], scores[:0])


def test_a_prompt_holds_something_of_the_right_kind() -> None:
    with pytest.raises(ValueError, match="needs a box, a mask or points"):
        Prompt(1, 0)
    with pytest.raises(ValueError, match=r"box: float32 \(4,\) expected"):
        Prompt(1, 0, box=np.zeros(4))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="points need labels"):
        Prompt(1, 0, points=np.zeros((1, 2), np.float32))
    with pytest.raises(ValueError, match=r"mask: bool \(H, W\) expected, got uint8"):
        Prompt(1, 0, mask=np.zeros((2, 2), np.uint8))


def test_masks_are_bool_and_targets_are_sane() -> None:
    with pytest.raises(ValueError, match="bool"):
        ObjectMask(1, 0, np.zeros((2, 2)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="confidence"):
        Target("dog", "dog", 1.5)
    with pytest.raises(ValueError, match="count"):
        Target("dog", "dog", 1.0, 0)
