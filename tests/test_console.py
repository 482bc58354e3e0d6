from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from alref_agent.console import ProgressBars, show_plan, show_run
from alref_agent.planning import Plan
from alref_agent.record import LlmUsage, ObjectRecord, RunResult, VideoRecord
from alref_agent.run import Run
from llm_server import serve
from test_bad_input import command, refused
from test_prompts import changed, put

HOSTILE = "say\x1b[31m\x1b]0;title\x07 \u202eit"
"""Turns red, names the window, rings, and turns the writing around."""
WRITTEN_OUT = "say⟨U+001B⟩[31m⟨U+001B⟩]0;title⟨U+0007⟩ ⟨U+202E⟩it"

asks_a_server = pytest.mark.skipif(
    find_spec("langchain_openai") is None, reason="the extra `llm` is not installed"
)


VIDEO = VideoRecord(
    source="x", fingerprint="0", n_frames=50, height=4, width=4, fps=25, start=0, end=50, every=1,
)  # fmt: skip


def harmless(output: str) -> str:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", output)
    return output


def test_the_summary_says_what_was_found_and_why_not(capsys: pytest.CaptureFixture[str]) -> None:
    objects = [
        ObjectRecord(
            obj_id=1, exp_id="0", expression="the [bold]dog[/]", status="found", reason="seen",
            label="dog", score=1.234, n_frames=30,
        ),
        ObjectRecord(
            obj_id=2, exp_id="1", expression="a cat", status="no-target", reason="No cat [here]."
        ),
    ]  # fmt: skip
    result = RunResult(
        alref_agent="0", created="now", video=VIDEO, references=[], strategy="s", config={},
        objects=objects, seconds={"detect_objects": 4.0, "write": 1.0}, files={"masks": "masks"},
        warnings=["frame 3 is bad"],
    )  # fmt: skip
    show_run(Run(Path("runs/x"), result))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "object", "expression", "answer", "taken", "for", "score", "frames", "seconds",
    ]  # fmt: skip
    assert lines[1].split() == ["1", "the", "[bold]dog[/]", "found", "dog", "1.23", "30", "of",
                                "50", "1.2"]  # fmt: skip
    assert lines[2].split()[-3:] == ["of", "50", "0.0"]
    assert lines[3:] == [
        "2: No cat [here].",
        "warning: frame 3 is bad",
        "Took 5.0 s, 10.0 frames a second (detect_objects 4.0, write 1.0).",
        "runs/x: look at masks",
    ]


def test_bars_pass_everything_on_and_say_nothing_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert list(ProgressBars().track(range(3), "detect", 3)) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_what_strangers_wrote_does_nothing_to_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    objects = [
        ObjectRecord(
            obj_id=1, exp_id="0", expression=f"the [bold]dog[/] :dog: {HOSTILE}\\",
            status="no-target", reason=f"No dog.\nwarning: forged {HOSTILE}", label=f"L {HOSTILE}",
        )
    ]  # fmt: skip
    result = RunResult(
        alref_agent="0", created="now", video=VIDEO, references=[], strategy="s", config={},
        objects=objects, seconds={f"S {HOSTILE}": 4.0}, files={"masks": f"masks {HOSTILE}"},
        warnings=[f"W {HOSTILE}"], llm=LlmUsage(calls=1, models=[f"M {HOSTILE}"]),
    )  # fmt: skip
    show_run(Run(Path(f"runs/{HOSTILE}"), result))
    lines = harmless(capsys.readouterr().out).splitlines()
    assert f"the [bold]dog[/] :dog: {WRITTEN_OUT}\\ " in lines[1]
    assert f"L {WRITTEN_OUT}" in lines[1]
    assert lines[2:4] == [
        f"1: No dog. warning: forged {WRITTEN_OUT}",
        f"warning: W {WRITTEN_OUT}",
    ]
    assert f"(S {WRITTEN_OUT} 4.0)" in lines[4]
    assert lines[5].endswith(f"answered by M {WRITTEN_OUT}.")
    assert lines[6:] == [f"runs/{WRITTEN_OUT}: look at masks {WRITTEN_OUT}"]


def test_a_plan_does_nothing_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    plan = Plan(f"openai:{HOSTILE}", 2, 0, 10, 20, None, f"the day {HOSTILE}")
    show_plan(plan, as_json=False)
    output = harmless(capsys.readouterr().out)
    assert f"openai:{WRITTEN_OUT}: at most 2 questions" in output
    assert f"(prices of the day {WRITTEN_OUT})" in output


def test_errors_do_nothing_to_the_terminal(tmp_path: Path) -> None:
    refused("replay", tmp_path / HOSTILE, "--out", tmp_path / "out", says=f"/{WRITTEN_OUT}")
    _, _, error = command(f"--{HOSTILE}")
    assert "No such option: --say" in harmless(error)


@asks_a_server
def test_what_a_server_says_does_nothing_to_the_terminal() -> None:
    with serve("openai", mind="fixed:3", script=[f"404:{HOSTILE}", "ok"]) as server:
        check = ["llms", "check", f"openai:{HOSTILE}", "--llm-base-url", server.url]
        status, _, error = command(*check)
        assert status == 2
        assert f"(404): {WRITTEN_OUT}" in harmless(error)
        # It gives back the model's name that it was asked for.
        status, output, _ = command(*check)
        assert f"(answered by {WRITTEN_OUT}" in harmless(output)


def test_prompts_of_strangers_do_nothing_to_the_terminal(tmp_path: Path) -> None:
    old = put(tmp_path)
    new = put(tmp_path, changed("Find", "Seek \u202e"), "new.md")
    for status, output, _ in (
        command("prompts", "show", new),
        command("prompts", "diff", old, new),
    ):
        assert status == 0
        assert "Seek ⟨U+202E⟩ {{ expression" in harmless(output)
    status, output, _ = command("prompts", "lint", tmp_path / f"{HOSTILE}.md")
    assert status == 2
    assert f"{WRITTEN_OUT}.md: it cannot be read" in harmless(output)
