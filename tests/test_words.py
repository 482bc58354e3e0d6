"""Expressions -> queries: what is named, and what is said of it. Pure text."""

from __future__ import annotations

import time

import pytest

from alref_agent.tools.detection.query import Phrase
from alref_agent.tools.detection.words import NO_NOUN, NO_WORDS, parse


def only(expression: str) -> Phrase:
    (phrase,) = parse(expression).phrases
    return phrase


@pytest.mark.parametrize(
    ("expression", "heads"),
    [
        ("dog", "dog"),
        ("DOG!!!", "dog"),
        ("the 🐶 dog", "dog"),
        ("hot dog", "hot dog"),
        ("the kite surfer", "surfer"),
        ("dance floor", "floor"),
        ("the man in red riding a bike", "man"),
        ("a person holding an umbrella", "person"),
        ("the umbrella the woman holds", "umbrella"),
        ("the cup to the left of the laptop", "cup"),
        ("the man jumping over the walls", "man"),
        ("the man on the black moped", "man"),
        ("kite surfing man", "man"),
        ("man riding bike", "man"),
        ("a dog runs across the field", "dog"),
        ("the black scooter ridden by a man", "scooter"),
        ("the man's bike", "bike"),
        ("the man's riding a bike", "man"),
        ("Libby the dog", "dog"),
        ("Please segment the red car in the video.", "car"),
        ("in the background, a dog", "dog"),
        ("where is the dog?", "dog"),
        ("who is riding the bike?", "someone"),
        ("a herd of cows", "cows"),
        ("the video of the dog", "dog"),
        ("a glass of wine", "glass"),
        ("the orange", "orange"),
        ("the orange car", "car"),
        ("the couple dancing", "couple"),
        ("the red one", "one"),
        ("jumping over the fence", "something"),
        # Two things asked for.
        ("the man and the bike he is riding", "man bike"),
        ("the cyclist with his bicycle", "cyclist bicycle"),
        ("the motocross rider and his motorcycle", "rider motorcycle"),
        ("the horse and its rider jumping", "horse rider"),
        ("the people and the vehicle that they push and ride", "people vehicle"),
        ("the man in red and the woman in blue", "man woman"),
        ("the man with a hat and the woman", "man woman"),
        ("the dog as well as the cat", "dog cat"),
        ("the cat, the dog and the bird", "cat dog bird"),
        ("dog. cat. bird.", "dog cat bird"),
        # One thing: the rest is only mentioned.
        ("the man with his hands up", "man"),
        ("the man wearing a red shirt and white shorts", "man"),
        ("the man riding a horse and waving", "man"),
        ("the man holding an umbrella and a bag", "man"),
        ("two cows, one black and one white", "cows"),
        ("The dog runs. The cat sleeps.", "dog"),
    ],
)
def test_heads(expression: str, heads: str) -> None:
    found = " ".join(phrase.head for phrase in parse(expression).phrases)
    assert found == heads


@pytest.mark.parametrize(
    ("expression", "colours"),
    [
        ("the red car", ["red"]),
        ("black and white dog", ["black", "white"]),
        ("the light-blue car", ["light blue"]),
        ("the dark horse", ["dark"]),
        ("the golden retriever", ["golden"]),
        ("the man in red", ["red"]),
        ("a woman dressed in black and white", ["black", "white"]),
        ("the man wearing a red t-shirt", ["red"]),
        ("the woman with the yellow jacket", ["yellow"]),
        ("the car that is red", ["red"]),
        ("the car that is not red", []),
        ("the man in the red car", []),
        ("the man with the red bike", []),
        ("the woman in red next to the man in blue", ["red"]),
    ],
)
def test_colours(expression: str, colours: list[str]) -> None:
    assert list(only(expression).colours) == colours


@pytest.mark.parametrize(
    ("expression", "places"),
    [
        ("left dog", ["left"]),
        ("the left-most dog", ["left"]),
        ("dog on the left", ["left"]),
        ("the man at the far right side of the image", ["right"]),
        ("the camel walking in front", ["front"]),
        ("the person closest to the camera", ["front"]),
        ("the car in the background", ["back"]),
        ("the cow in the middle", ["middle"]),
        ("the boy in the middle of the crowd", []),
        ("the dog in front of the man", []),
        ("the cup to the left of the laptop", []),
        ("the man walking to the left", []),
        ("the car turning left", []),
    ],
)
def test_places(expression: str, places: list[str]) -> None:
    assert list(only(expression).places) == places


def test_order_and_size() -> None:
    assert only("the second person from the left").ordinal == (2, "left")
    assert only("the third from the right").ordinal == (3, "right")
    assert only("the second duck from left to right").ordinal == (2, "left")
    assert only("the first three dogs").ordinal is None
    assert only("the largest boat").size == "largest"
    assert only("the big animal").size == "large"
    smallest = only("the smallest of the cows")
    assert (smallest.size, smallest.wanted) == ("smallest", 1)


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("the dog", 1),
        ("three people", 3),
        ("the 3 dogs", 3),
        ("a pair of horses", 2),
        ("all the dogs", 2),
        ("the people", 2),
        ("one of the dogs", 1),
        ("a man", 1),
        ("0 dogs", 1),
    ],
)
def test_wanted(expression: str, wanted: int) -> None:
    assert only(expression).wanted == wanted


@pytest.mark.parametrize(
    ("expression", "moving"),
    [
        ("the moving car", True),
        ("the car driving along the street", True),
        ("the person who is running", True),
        ("the dog that doesn't move", False),
        ("the car that is not moving", False),
        ("the parked car", False),
        ("the man standing on the scooter", False),
        ("the dog", None),
        ("the man holding a running dog", None),
    ],
)
def test_moving(expression: str, moving: bool | None) -> None:
    assert parse(expression).moving is moving


def test_related_things() -> None:
    assert only("the man in red riding a bike").related == ("bike",)
    rider, bike = parse("the rider and his bike").phrases
    assert (rider.related, bike.related) == (("bike",), ("rider",))
    man, dog = parse("the man and the dog").phrases
    assert man.related == dog.related == ()


@pytest.mark.parametrize("expression", ["", " ", "???", "狗", "🐶", "男人在骑马", "5", "'", "&"])
def test_nothing_to_read(expression: str) -> None:
    query = parse(expression)
    assert query.phrases == ()
    assert query.problem == NO_WORDS


@pytest.mark.parametrize("expression", ["the", "with", "of of of", "and and and", "on the left"])
def test_no_noun(expression: str) -> None:
    assert parse(expression).problem == NO_NOUN


@pytest.mark.parametrize(
    "piece", ["the dog and ", "x", "a ", "é", "man's ", "the man riding ", "狗", "'", " ", "of "]
)
def test_long_text_is_quick(piece: str) -> None:
    start = time.perf_counter()
    parse((piece * 10_000)[:100_000])
    assert time.perf_counter() - start < 1
