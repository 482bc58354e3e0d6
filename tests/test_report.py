"""The page of a run: what it says. `test_report_in_a_browser.py` opens it in a browser."""

from __future__ import annotations

import base64
import re
from itertools import pairwise
from pathlib import Path

import pytest

from alref_agent.config import Config
from alref_agent.errors import OutputError
from alref_agent.record import RunResult, TargetRecord
from alref_agent.report.page import render, write_report
from alref_agent.report.stills import chosen_among, evenly
from alref_agent.report.words import clock, money, took
from alref_agent.workspace import Workspace
from doubles import workspace
from html_reading import Page
from report_runs import answered, asked, request

Made = tuple[RunResult, str | None]


@pytest.fixture
def space(tmp_path: Path, frames_folder: Path) -> Workspace:
    return workspace(tmp_path / "run", frames_folder)


def page(space: Workspace, made: Made) -> Page:
    return Page(render(space, *made))


def test_a_run_without_an_llm(space: Workspace) -> None:
    read = page(space, answered(space, ["the big square", "a dog"]))
    assert read.text_of["h1"] == ["1 of 2 expressions found in frames"]
    assert "64 by 48 pixels 12 frames 0.50 s at 24 frames a second strategy top-track" in read.text
    assert "“the big square” found Seen on all 12 frames. The detector calls it “square”" in (
        read.text
    )
    assert "“a dog” not in the video" in read.text
    assert "Only squares are known." in read.text
    assert "No language model was asked" in read.text
    assert "“square” was taken for square (90% sure)." in read.text
    assert "box-track-1 chosen" in read.text
    # Twelve frames, eight of them evenly spread, and four pivots.
    stills = [i["alt"] for i in read.every("img") if "tinted" in i["alt"]]
    assert 8 <= len(stills) <= 12
    assert stills[0] == "“the big square” on frame 00000 at 0.00 s: tinted and outlined"
    assert [c["class"] for c in read.every("details") if "pivot" in c["class"]] == [
        "zoom pivot"
    ] * 4


def test_a_run_of_top_box(space: Workspace) -> None:
    read = page(space, answered(space, ["the big square"], "top-box"))
    assert read.text_of["h1"] == ["“the big square” in frames: found"]
    assert "strategy top-box" in read.text
    assert "Candidates for “the big square” on frame 00000 at 0.00 s" in [
        i["alt"] for i in read.every("img")
    ]
    assert "Tracks to choose from" not in read.text


def test_what_is_not_found_and_what_failed(space: Workspace) -> None:
    result, masks = answered(space, ["a dog"])
    assert masks is None
    read = page(space, (result, masks))
    assert read.text_of["h1"] == ["“a dog” in frames: not in the video"]
    lost = [o.model_copy(update={"status": "failed", "reason": "Lost."}) for o in result.objects]
    read = page(space, (result.model_copy(update={"objects": lost}), None))
    assert "“a dog” failed There is no answer, because something went wrong. Lost." in read.text


def test_expressions_of_one_object_share_a_strip(space: Workspace) -> None:
    read = page(space, answered(space, ["the big square", "a square that is big"]))
    assert "It is the same object as “the big square”, which is shown above." in read.text
    assert len([c for c in read.every("div") if c.get("class") == "strip"]) == 1


def test_a_strip_says_where_the_object_is_not(space: Workspace) -> None:
    read = page(space, answered(space, ["the small square"]))
    assert "Seen on 8 of 12 frames, between 0.17 s and 0.46 s." in read.text
    assert "“the small square” on frame 00000 at 0.00 s: not seen" in [
        i["alt"] for i in read.every("img")
    ]


def test_the_talk_with_the_llm(space: Workspace) -> None:
    result, masks = asked(space)
    read = page(space, (result, masks))
    text = read.text
    assert "Step 1: which frame shows it best?" in text
    assert "Step 2: which box is it?" in text
    assert "Window 1 of 2: frames 00000 to 00004, 0.00 s to 0.17 s" in text
    assert "Understood: frame 2 → frame 00002 at 0.08 s" in text
    assert "Could not be used: it has no number in square brackets, such as [2]." in text
    assert "The model is shown its reply and what is wrong with it" in text
    assert "I am sorry. [3]" in text
    assert "Understood: frame 3 → frame 00010 at 0.42 s" in text
    assert "The model said nothing." in text
    assert "Understood: box 1confidence: 0.9reason: It is the large one." in text
    assert "gpt-4.1-2025-04-14 · 1,234 tokens in, 56 tokens out · $0.0042 · 1.5 s" in text
    assert {"repair", "from the cache", "replayed", "asked 2 times"} <= set(read.words)
    # Its words as they were, line breaks included.
    assert "It is whole there.\n\n[2]" in "".join(read.words)
    assert "step 1 had no usable answer. No usable answer for frames 6 to 10" in text
    assert text.count("The video has no sound.") == 1
    assert "repair turn1" in text
    assert "pivot-frame/v1" in text
    assert "Look!" in text


def test_every_sheet_is_there_as_it_was_sent_and_once(space: Workspace) -> None:
    result, masks = asked(space)
    text = render(space, result, masks)
    read = Page(text)
    files = {file for record in result.requests for file in record.pictures}
    assert len(files) == 3
    for file in files:
        data = base64.b64encode((space.folder / file).read_bytes()).decode()
        assert text.count(data) == 1
    # Two of them are seen in the talks of both expressions.
    shared = [symbol["id"] for symbol in read.every("symbol")]
    assert len(shared) == 2
    used = [use["href"].removeprefix("#") for use in read.every("use")]
    assert sorted(used) == sorted(shared * 2)
    labels = [svg["aria-label"] for svg in read.every("svg") if "aria-label" in svg]
    assert labels[0].startswith("What the model saw: Window 1 of 2: frames 00000 to 00004")


def test_headings_are_in_order_and_pictures_have_words(space: Workspace) -> None:
    read = page(space, asked(space))
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(image["alt"] for image in read.every("img"))
    assert read.every("html") == [{"lang": "en"}]
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_numbers_for_people() -> None:
    assert [clock(s) for s in (0, 2.958, 59.99, 725.34, 3725.4)] == [
        "0.00 s",
        "2.96 s",
        "59.99 s",
        "12:05.3",
        "1:02:05",
    ]
    assert [took(s) for s in (0.04, 59.9, 125.4, float("nan"))] == [
        "0.0 s",
        "59.9 s",
        "2 min 5 s",
        "?",
    ]
    assert [money(d) for d in (None, 0, 0.00421, 12.5)] == [
        "price unknown",
        "$0",
        "$0.0042",
        "$12.50",
    ]


def test_an_agent_s_turns(space: Workspace) -> None:
    result, masks = answered(space, ["the big square"])
    call = {"id": "1", "name": "detect_objects", "arguments": {"frames": [0], "n": "<b>"}}
    records = [
        request(
            "agent", "0", (), (), reply="", tool_calls=[call], understood={"tool_calls": [call]}
        ),
        request("agent", "0", (), (), reply="Done.", understood={"text": "Done."}),
    ]
    read = page(space, (result.model_copy(update={"requests": records}), masks))
    assert "The model at work, turn by turn" in read.text
    assert "Turn 1 of 2 asks for detect_objects" in read.text
    assert "detect_objects(frames=[0], n='<b>')" in read.text
    assert "The model said nothing and used a tool." in read.text
    assert "Turn 2 of 2 Done. What the model was told next: what its tools answered" in read.text
    assert "Understood:" not in read.text


def test_a_word_that_was_taken_for_several(space: Workspace) -> None:
    result, masks = answered(space, ["the big square"])
    targets = [
        TargetRecord(label=label, words=label, confidence=0.5, count=n)
        for n, label in enumerate(("man", "horse"), start=1)
    ]
    references = [r.model_copy(update={"targets": targets}) for r in result.references]
    read = page(space, (result.model_copy(update={"references": references}), masks))
    assert "“man” was taken for man (50% sure); “horse” was taken for horse, 2 of them" in read.text


def test_the_page_appears_whole_or_not_at_all(space: Workspace) -> None:
    result, masks = answered(space, ["the big square"])
    write_report(space, result, masks)
    file = space.folder / "report.html"
    assert file.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert not [p for p in space.folder.iterdir() if p.name.startswith(".alref-")]
    file.unlink()
    file.mkdir()
    with pytest.raises(OutputError, match="report.html cannot be written"):
        write_report(space, result, masks)
    assert not [p for p in space.folder.iterdir() if p.name.startswith(".alref-")]


def test_the_same_run_makes_the_same_page(space: Workspace) -> None:
    made = asked(space)
    assert render(space, *made) == render(space, *made)


def test_which_frames_a_strip_shows() -> None:
    assert evenly(72, 8) == [0, 10, 20, 30, 41, 51, 61, 71]
    assert evenly(3, 8) == [0, 1, 2]
    assert evenly(1, 8) == [0]
    assert evenly(0, 8) == []
    # A pivot stands for the frame beside it; the ends always stay.
    assert chosen_among([0, 10, 20, 30], [11, 29], 8) == [0, 11, 20, 29, 30]
    assert chosen_among([0, 10, 20, 30], list(range(30)), 3) == [0, 14, 20, 29, 30]
    assert chosen_among([], [], 8) == []


def test_settings_are_shown_as_they_are(space: Workspace) -> None:
    result, masks = answered(space, ["the big square"])
    read = page(space, (result, masks))
    assert f"box_threshold: {Config().detector.box_threshold}" in read.text
