"""A reply is an answer or a `ReplyError`: never a traceback, never a silent default."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alref_agent.agent.brackets import bracketed
from alref_agent.agent.replies import box_reader, frame_reader, named_frames
from alref_agent.agent.talk import Talk
from alref_agent.errors import ReplyError
from alref_agent.prompts.library import PromptLibrary
from alref_agent.types import Expression

LIBRARY = PromptLibrary()
V2_FRAME = {"description": "a dog runs", "reason": "whole dog", "frame": 3, "confidence": 0.8}
V2_BOX: dict[str, Any] = {
    "frames": "a dog runs",
    "boxes_seen": [{"box": 1, "content": "dog"}],
    "main_object": "dog",
    "reason": "it is the dog",
    "boxes": [1, 2],
    "confidence": 0.9,
}
FENCE = "```"

# Reply -> the frame of 5 that it names, None for none, or words of the complaint.
FRAMES: list[tuple[str, int | str | None]] = [
    ("The dog is whole in the third. [3]", 3),
    ("3", 3),
    ("3.", 3),
    ("  [ 3 ]  ", 3),
    ("[3]\n", 3),
    ("**[3]**", 3),
    ("### Answer\n\n**Frame:** it is best.\n\n`[3]`", 3),
    ("First I thought of [1], but the answer is [3].\n[3]", 3),
    ("In [2] it is hidden, in [4] it is whole. [4]", 4),
    ("<think>maybe [1]</think>[3]", 3),
    ("<think>\nLet me see [5]\n</think>\n\nThe best is [3]", 3),
    ("the template opened the thought [1]</think> so: [3]", 3),
    ("[Frame 3]", 3),
    ("[frame: 3]", 3),
    ("[3.0]", 3),
    ("[[3]]", 3),
    ("［３］", 3),
    ("[３]", 3),
    ("['3']", 3),
    ("Answer: 3", 3),
    ("It is whole there.\nFinal answer: 3.", 3),
    ("The answer is 3", 3),
    ('{"frame": 3}', 3),
    (f'{FENCE}json\n{{"frame": 3, "reason": "whole"}}\n{FENCE}', 3),
    ("[-1]", None),
    ("[−1]", None),
    ("No frame shows it. [none]", None),
    ('{"frame": null}', None),
    ("[3] because it is whole [as I said]", 3),
    ("It is so: **_[3]_**.", 3),
    # Brackets within JSON are the JSON's; the last word counts.
    ('{"boxes": [2], "frame": 2} I mean [3]', 3),
    ('{"frame": 2} I mean [3]', 3),
    ('I thought of [1]. {"frame": 3, "boxes": [2]}', 3),
    ('{"frame": 3, "boxes": [2]} [as I said]', 3),
    ('[3] {"boxes": [2]}', 3),
    ('{"boxes": [2]}\nAnswer: 3', 3),
    ('{"frame": 1, "frame": 2} I mean [3]', 3),
    ("\\boxed{[3]}", 3),
    ('{"frame": 1, "frame": 2, "boxes": [1], "boxes": [2]}', "no number in square brackets"),
    ('{"boxes": [2]}', "no number in square brackets"),
    ('{"frame": 1, "boxes": [2]', "no number in square brackets"),
    ("{'frame': 1, 'boxes': [2]}", "no number in square brackets"),
    ('{"note": [1]} {"boxes": [2]}', "no number in square brackets"),
    ("Frame 3 is best.", "no number in square brackets"),
    ("I would take the third one.", "no number in square brackets"),
    ("[three]", "no number in square brackets"),
    ("[]", "no number in square brackets"),
    ("[3", "no number in square brackets"),
    ("[99]", "they are numbered 1 to 5"),
    ("[0]", "they are numbered 1 to 5"),
    ("[-2]", "they are numbered 1 to 5"),
    ("[2.5]", "no number in square brackets"),
    ("[1, 3]", "one is asked for"),
    ("[3, -1]", "a number and -1"),
    ("[3, 3]", 3),
    ("[999999999999999999999999]", "no number in square brackets"),
    ("<think>it must be [3]", "a thought and no answer"),
    ("<think>[3]</think>", "no answer"),
    ("", "no answer"),
    ("   \n ", "no answer"),
    ("\x00\x00", "no number in square brackets"),
    ("[" * 5000, "no number in square brackets"),
    ("{" * 5000, "no number in square brackets"),
    ("I'm sorry, I can't help with that.", "no number in square brackets"),
    ('{"frame": "three"}', "where a whole number is asked for"),
    ('{"frame": true}', "where a whole number is asked for"),
    ('{"frame": 1e999}', "where a whole number is asked for"),
    ('{"frame": [3]}', "where a whole number is asked for"),
    ('{"frame": 99}', "they are numbered 1 to 5"),
    ('{"frame": 3, "confidence": 7}', "confidence is 7"),
]


@pytest.mark.parametrize(("reply", "expected"), FRAMES, ids=lambda value: repr(value)[:40])
def test_a_frame_in_brackets(reply: str, expected: int | str | None) -> None:
    _check(frame_reader(LIBRARY.get("pivot-frame", "v1"), 5), reply, expected, "frame")


BOXES: list[tuple[str, tuple[int, ...] | str]] = [
    ("Box 2 holds the whole dog. [2]", (2,)),
    ("[1, 3]", (1, 3)),
    ("[1 and 3]", (1, 3)),
    ("[2; 2]", (2,)),
    ("[-1]", ()),
    ("None of them. [no box]", ()),
    ("[4]", "they are numbered 1 to 3"),
    ('{"boxes": [1, 2]}', (1, 2)),
    ('{"boxes": 2}', (2,)),
    ('{"boxes": []}', ()),
    ('{"boxes": [-1]}', ()),
    ('{"boxes": ["a"]}', "where a whole number is asked for"),
    ("box two", "no number in square brackets"),
]


@pytest.mark.parametrize(("reply", "expected"), BOXES, ids=lambda value: repr(value)[:40])
def test_boxes_in_brackets(reply: str, expected: tuple[int, ...] | str) -> None:
    _check(box_reader(LIBRARY.get("pivot-box", "v1"), 3), reply, expected, "boxes")


def changed(base: dict[str, Any], **change: Any) -> str:
    return json.dumps({k: v for k, v in (base | change).items() if v != "GONE"})


JSONS: list[tuple[str, int | str | None]] = [
    (json.dumps(V2_FRAME), 3),
    (f"{FENCE}json\n{json.dumps(V2_FRAME, indent=2)}\n{FENCE}", 3),
    (f"Here it is:\n{json.dumps(V2_FRAME)}\nI hope that helps {{:-)}}", 3),
    (f'<think>{{"frame": 1}}</think>{json.dumps(V2_FRAME)}', 3),
    (changed(V2_FRAME, frame=None), None),
    (changed(V2_FRAME, frame="3"), "its JSON is wrong at frame"),
    (changed(V2_FRAME, frame=3.5), "its JSON is wrong at frame"),
    (changed(V2_FRAME, frame=3.0), 3),
    (changed(V2_FRAME, frame=True), "its JSON is wrong at frame"),
    (changed(V2_FRAME, frame=99), "they are numbered 1 to 5"),
    (changed(V2_FRAME, frame=0), "numbered 1 to 5"),
    (changed(V2_FRAME, confidence=2), "confidence"),
    (changed(V2_FRAME, reason="GONE"), "'reason' is a required property"),
    (changed(V2_FRAME, frame="GONE"), "no JSON object with the key 'frame'"),
    (changed(V2_FRAME, more=1), "Additional properties"),
    (json.dumps([V2_FRAME]), 3),
    (json.dumps(V2_FRAME)[:-5], "no JSON object"),
    ("[3]", "no JSON object"),
    ("not JSON at all", "no JSON object"),
    ("null", "no JSON object"),
    ('{"frame": 1, "frame": 2}', "'frame' twice"),
    ('{"frame": NaN}', "no JSON object"),
    ("{" * 10000, "no JSON object"),
    ('{"frame":' * 3000, "no JSON object"),
    ("", "no answer"),
]


@pytest.mark.parametrize(("reply", "expected"), JSONS, ids=lambda value: repr(value)[:40])
def test_a_frame_as_json(reply: str, expected: int | str | None) -> None:
    _check(frame_reader(LIBRARY.get("pivot-frame", "v2"), 5), reply, expected, "frame")


def test_boxes_as_json() -> None:
    read = box_reader(LIBRARY.get("pivot-box", "v2"), 3)
    answer = read(json.dumps(V2_BOX))
    assert (answer.boxes, answer.reason, answer.confidence) == ((1, 2), "it is the dog", 0.9)
    assert read(changed(V2_BOX, boxes=[])).boxes == ()
    for change, said in (
        ({"boxes": [1, 9]}, "numbered 1 to 3"),
        ({"boxes": ["1"]}, "wrong at boxes.0"),
        ({"boxes": None}, "wrong at boxes"),
    ):
        with pytest.raises(ReplyError, match=said):
            read(changed(V2_BOX, **change))


def test_reasons_are_kept_without_the_answer() -> None:
    read = frame_reader(LIBRARY.get("pivot-frame", "v1"), 5)
    assert read("A dog runs.\nIt is whole in 3.\n\n[3]").reason == "A dog runs.\nIt is whole in 3."
    assert read("<think>hm</think>Whole there.\n**[3]**").reason == "Whole there."
    assert read("[3]").reason == ""


def test_the_only_box_is_said_so() -> None:
    read = box_reader(LIBRARY.get("pivot-box", "v1"), 1)
    with pytest.raises(ReplyError, match="there is only box 1"):
        read("[2]")


V1_FRAME, V2_BOX_PROMPT = LIBRARY.get("pivot-frame", "v1"), LIBRARY.get("pivot-box", "v2")
LONG_REPLIES: list[tuple[str, int | str | None]] = [
    ("It " + "_" * 500_000 + " x [1] y", 1),
    ("It " + "*_`" * 150_000 + " x [1] y", 1),
    ("[1] " + "_" * 500_000 + " y", 1),
    ("<think>" * 60_000 + "[1]", "a thought and no answer"),
    ("<think><reasoning>" * 30_000 + "</think>[1]", 1),
    ("<think>a</think>" * 30_000 + "[1]", 1),
    ("[frame" + " " * 300_000 + "x] [1]", 1),
    ("a\u0301\u0323" * 5 + "\u0301" * 200_000 + "\u0323" * 200_000 + "[1]", 1),
    ("1\n" * 100_000 + "[1]", 1),
    ('{"a":' * 100_000 + "[1]", "no number in square brackets"),
    ("[" * 500_000, "no number in square brackets"),
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("reply", "expected"), LONG_REPLIES, ids=lambda value: repr(value)[:40])
def test_a_long_reply_is_read_at_once(reply: str, expected: int | str | None) -> None:
    began = time.monotonic()
    _check(frame_reader(V1_FRAME, 5), reply, expected, "frame")
    assert time.monotonic() - began < 4  # less than a half on an idle machine


def _keys(n: int) -> str:
    return "{" + ", ".join(f'"k{i}": 1' for i in range(n)) + "}"


LONG_JSON = [
    (_keys(50_000), "at most 100000 are taken"),
    ('{"a": [' * 190 + "1, " * 300_000, "no JSON object"),
    ('{"a":' * 200_000, "no JSON object"),
    ('{"boxes": [' + "1, " * 300_000 + "1]}", "at most 100000 are taken"),
    ('{"boxes": [' + '"", ' * 20_000 + '""]}', "its JSON is wrong"),
    ('{"' + "k" * 30_000 + '": 1, "' + "k" * 30_000 + '": 1}', "twice"),
    ("{'a': " * 100_000, "no JSON object"),
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("reply", "says"), LONG_JSON, ids=lambda value: repr(value)[:40])
def test_long_json_is_read_at_once(reply: str, says: str) -> None:
    began = time.monotonic()
    with pytest.raises(ReplyError, match=says) as error:
        box_reader(V2_BOX_PROMPT, 3)(reply)
    assert len(str(error.value)) < 400
    assert time.monotonic() - began < 4


def test_all_objects_are_looked_at_for_the_last() -> None:
    reply = '{"x": 1} ' * 500 + json.dumps(V2_FRAME)
    assert frame_reader(LIBRARY.get("pivot-frame", "v2"), 5)(reply).frame == 3


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("\n" * 300_000 + "x", None),
        ("No target" + "\n" * 300_000 + "it is gone", "it is gone"),
        ("** " * 100_000 + "\n**No target:** - it is gone", "it is gone"),
        ("- \n" * 100_000 + "no target\n" * 50_000, ""),
        ("NO TARGET: " + "a-" * 200_000, "…"),
        ("It is gone.\n\n- no target\n", "It is gone."),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_long_last_words_are_read_at_once(words: str, why: str | None) -> None:
    began = time.monotonic()
    talk = Talk(Expression("0", "a dog"))
    talk.end(words, "")
    reason = talk.finding([]).why_none
    assert ("nothing fits" in reason) == (why is not None)
    assert (why or "") in reason
    assert time.monotonic() - began < 4


def test_an_error_keeps_the_reply_verbatim() -> None:
    with pytest.raises(ReplyError) as error:
        bracketed("Frame ３ is\nbest.")
    assert error.value.reply == "Frame ３ is\nbest."
    assert "\n" not in str(error.value)


def _check(read: Callable[[str], Any], reply: str, expected: Any, field: str) -> None:
    if isinstance(expected, str):
        with pytest.raises(ReplyError) as error:
            read(reply)
        assert expected in str(error.value)
        assert error.value.reply == reply
    else:
        assert getattr(read(reply), field) == expected


# The authors' own answers --------------------------------------------------------------------

SETTINGS = ("s4", "ms3", "avss", "v2_binary")


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_published_answer_is_read(shared: Callable[[str], Path], setting: str) -> None:
    folder = shared("al_ref_sam2") / "gpt_results" / setting
    first = json.loads((folder / "cot_stage_1_outputs.json").read_text())
    assert len(first) in (64, 740, 750, 1554)
    named = {video: named_frames(reply) for video, reply in first.items()}
    # An empty mapping is an answer: nothing in the picture sounds.
    assert [v for v, frames in named.items() if not frames] == [
        v for v, reply in first.items() if reply.replace(" ", "") == "{}"
    ]
    assert sum(map(len, named.values())) == sum(reply.count(":") for reply in first.values())
    # 5 frames of 5 seconds, 10 of 10 seconds.
    assert all(1 <= n <= 10 for frames in named.values() for _, n in frames)
    second = json.loads((folder / "cot_stage_2_outputs.json").read_text())
    read = box_reader(LIBRARY.get("pivot-box", "v1"), 3)
    answers = [
        reply
        for of_video in second.values()
        for reply in (of_video.values() if isinstance(of_video, dict) else [of_video])
    ]
    assert len(answers) == {"s4": 280, "ms3": 46, "avss": 910, "v2_binary": 520}[setting]
    for reply in answers:
        assert read(reply).boxes == (int(reply),)
        assert read(f"Because it is. [{reply}]").boxes == (int(reply),)


@pytest.mark.parametrize("reply", ["", "dog: 2", "{'dog'}", "{2: 'dog'}", "{'dog': 'two'}", "{{"])
def test_what_is_no_mapping_of_names(reply: str) -> None:
    with pytest.raises(ReplyError):
        named_frames(reply)
