"""Place, size and order words: which candidate they prefer."""

from __future__ import annotations

import numpy as np
import pytest

from alref_agent.tools.detection.places import LEAST, TOUCHING, factor, nearness
from alref_agent.tools.detection.words import parse

ROW = np.array(
    [[300, 100, 340, 140], [100, 100, 140, 140], [500, 100, 540, 140], [200, 150, 280, 230]],
    np.float32,
)
"""In 640 x 240: third, first, fourth and second from the left; the last is big and low."""


@pytest.mark.parametrize(
    ("expression", "best"),
    [
        ("the left dog", 1),
        ("the dog on the right", 2),
        ("the dog in the middle", 0),
        ("the dog in front", 3),
        ("the bottom dog", 3),
        ("the largest dog", 3),
        ("the second dog from the left", 3),
        ("the second dog from the right", 0),
        ("the third dog", 0),
        ("the last dog from the left", 2),
        ("the ninth dog from the left", 2),
    ],
)
def test_the_best_candidate(expression: str, best: int) -> None:
    phrase = parse(expression).phrases[0]
    factors = factor(phrase, ROW, np.full(4, 0.5, np.float32), 240, 640)
    assert int(factors.argmax()) == best
    assert factors[best] == pytest.approx(1)
    assert factors.min() >= LEAST


def test_weak_boxes_are_not_counted() -> None:
    phrase = parse("the second dog from the left").phrases[0]
    factors = factor(phrase, ROW, np.array([0.9, 0.1, 0.9, 0.9], np.float32), 240, 640)
    assert int(factors.argmax()) == 0


def test_words_do_not_hurt_the_only_candidate() -> None:
    phrase = parse("the largest dog on the left").phrases[0]
    assert factor(phrase, ROW[2:3], np.array([0.2], np.float32), 240, 640).tolist() == [1]
    assert factor(phrase, ROW[:0], np.zeros(0, np.float32), 240, 640).shape == (0,)


def test_nearness_prefers_what_touches() -> None:
    bikes, sure = ROW[:1] + 20, np.array([0.5], np.float32)
    factors = nearness(ROW, bikes, sure)
    assert factors[0] == 1
    assert factors[1] == pytest.approx(1 - TOUCHING)
    assert nearness(ROW, bikes[:0], sure[:0]).tolist() == [1] * 4
