from __future__ import annotations

from pathlib import Path

import pytest

from alref_agent.console import ProgressBars, show_run
from alref_agent.record import ObjectRecord, RunResult, VideoRecord
from alref_agent.run import Run


def test_the_summary_says_what_was_found_and_why_not(capsys: pytest.CaptureFixture[str]) -> None:
    video = VideoRecord(
        source="x", fingerprint="0", n_frames=50, height=4, width=4, fps=25, start=0, end=50,
        every=1,
    )  # fmt: skip
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
        alref_agent="0", created="now", video=video, references=[], strategy="s", config={},
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
