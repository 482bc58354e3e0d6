"""Runs for the tests of `report.html`: real ones over the doubles, and such with an LLM's words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from alref_agent._version import __version__
from alref_agent.agent.strategy import Answer
from alref_agent.agent.top_box import TopBox
from alref_agent.agent.top_track import TopTrack
from alref_agent.config import Config, load_config
from alref_agent.media.sheet import encoded_sheets
from alref_agent.pipeline import expressions
from alref_agent.record import (
    FallbackRecord,
    LlmUsage,
    PromptRecord,
    RequestRecord,
    RunResult,
)
from alref_agent.types import Floats
from alref_agent.workspace import Workspace
from doubles import big_square, toolbox

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "image": '<img src=x onerror="alert(2)">',
    "attribute": '" onmouseover="alert(3)" x="\' onfocus=\'alert(4)',
    "close": "</pre></div></details></style></title><h1>gotcha</h1>",
    "comment": "<!-- --!> ]]> <![CDATA[",
    "template": "{{ 7 * 7 }} {% raw %} ${7*7} {# #}",
    "link": "[click](javascript:alert(5)) <a href=javascript:alert(6)>x</a>",
    "loads": '<link rel=stylesheet href=http://evil.example/x.css> @import "http://evil.example"',
    "entity": "&lt;b&gt; &#60;b&#62; &amp;",
    "turned": "abc\u202etxt.exe\u2066def\u200f",
    "hidden": "a\u200bb\u2060c\ufeffd\U000e0041\U000e0042e",
    "control": "bell\x07 null\x00 escape\x1b[31m c1\x9b delete\x7f",
    "half": "half \ud800 a character \udfff",
    "none": "\ufffe\uffff\ufdd0",
    "lines": "one\r\ntwo\rthree\u2028four",
    "zalgo": "z" + "\u0335\u0353\u0489" * 200,
    "long": "x" * 3000,
    "wide": "\u6f22\u5b57" * 400,
    "arabic": "\u0627\u0644\u0628\u0642\u0631\u0629 \u0627\u0644\u0628\u064a\u0636\u0627\u0621 [3]",
    "huge": "All work and no play makes Jack a dull boy.\n" * 5000,
    "bells": "\x07" * 100_000,
}
"""What nobody should say, in replies and everywhere else."""


def answered(
    space: Workspace, texts: Sequence[str], strategy: str = "top-track"
) -> tuple[RunResult, str | None]:
    """A run over the doubles without an LLM, and the id of its masks."""
    kind = TopTrack if strategy == "top-track" else TopBox
    config = load_config(settings=[f"strategy={strategy}"], environment={})
    answer = kind.from_config(config, toolbox()).run(space, expressions(list(texts)))
    return result_of(space, answer, config), answer.masks


def result_of(space: Workspace, answer: Answer, config: Config, **more: Any) -> RunResult:
    """The result of a run."""
    calls = space.calls()
    return RunResult(
        **{
            "alref_agent": __version__,
            "created": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).isoformat(),
            "video": space.video_record,
            "references": answer.references,
            "strategy": config.strategy,
            "config": config.model_dump(mode="json"),
            "objects": answer.objects,
            "calls": [c.model_copy(update={"arguments": None, "result": None}) for c in calls],
            "seconds": {call.tool: call.seconds for call in calls} | {"write": 0.2},
            "packages": {"numpy": np.__version__},
            "files": {"masks": "masks", "calls": "record/calls.jsonl"},
        }
        | more
    )


def sheet(space: Workspace, frames: Sequence[int], boxes: dict[int, Floats] | None = None) -> str:
    """A real contact sheet in the run folder; its name there."""
    (made,) = encoded_sheets([space.video.frame(i) for i in frames], "vertical", 600, boxes=boxes)
    file = space.folder / "record" / "sheets" / f"{made.digest[:16]}.jpg"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(made.data)
    return file.relative_to(space.folder).as_posix()


def request(
    step: str, exp_id: str, frames: Sequence[int], pictures: Sequence[str], **more: Any
) -> RequestRecord:
    """A request and its reply."""
    return RequestRecord(
        **{
            "key": "0" * 32,
            "digest": "1" * 64,
            "step": step,
            "prompt": f"{step}/v1",
            "prompt_digest": "0123456789ab",
            "exp_id": exp_id,
            "frames": list(frames),
            "pictures": list(pictures),
            "text": 'The object is described as\n"the square"',
            "asked": "openai:gpt-4.1",
            "answered_by": "gpt-4.1-2025-04-14",
            "reply": "It is whole there.\n\n[2]",
            "understood": None,
            "source": "llm",
            "attempts": 1,
            "input_tokens": 1234,
            "output_tokens": 56,
            "cost": 0.0042,
            "seconds": 1.5,
        }
        | more
    )


def asked(space: Workspace) -> tuple[RunResult, str | None]:
    """A run as of `gpt-ps`: two objects, several windows, a repair, a fall-back, shared sheets."""
    texts = ["the big square", "the small square", "a dog"]
    result, masks = answered(space, texts)
    windows = [(0, 2, 4), (6, 8, 10)]
    sheets = [sheet(space, window) for window in windows]
    drawn = {2: np.array([big_square(2)], np.float32)}
    chosen = sheet(space, windows[0], drawn)
    lost = "No usable answer for frames 6 to 10, which have no pivot: it is empty."
    requests = [
        request("pivot-frame", "0", windows[0], [sheets[0]], understood=_frame(2)),
        request(
            "pivot-frame",
            "0",
            windows[1],
            [sheets[1]],
            reply="Frames two and three are fine.",
            problem="it has no number in square brackets, such as [2].",
        ),
        request(
            "pivot-frame",
            "0",
            windows[1],
            [sheets[1]],
            text="This reply cannot be used: it has no number.",
            reply="I am sorry. [3]",
            understood=_frame(3),
            repair=True,
            attempts=2,
        ),
        request("pivot-frame", "1", windows[0], [sheets[0]], understood=_frame(3), source="cache"),
        request("pivot-frame", "1", windows[1], [sheets[1]], reply="", problem="it is empty."),
        request(
            "pivot-box",
            "0",
            windows[0],
            [chosen],
            reply='{"boxes": [1], "confidence": 0.9, "reason": "It is the large one."}',
            understood={"reason": "It is the large one.", "confidence": 0.9, "boxes": [1]},
            source="replay",
        ),
    ]
    return result.model_copy(
        update={
            "strategy": "gpt-ps",
            "requests": requests,
            "prompts": [
                PromptRecord(
                    step="pivot-frame", id="pivot-frame/v1", digest="0123456789ab", source="Look!"
                )
            ],
            "fallbacks": [FallbackRecord(stage="pivot-frame", reason=lost, exp_id="1")],
            "llm": LlmUsage(
                calls=4,
                cached=2,
                repairs=1,
                unusable=2,
                input_tokens=4936,
                output_tokens=224,
                cost=0.0168,
                models=["gpt-4.1-2025-04-14"],
            ),
            "warnings": ["The video has no sound.", "The video has no sound."],
        }
    ), masks


def hostile(space: Workspace) -> tuple[RunResult, str | None]:
    """The same with hostile text in every field that holds anybody's."""
    result, masks = asked(space)
    bad = " ".join(text[:400] for text in HOSTILE.values())
    window = (0, 2, 4)
    picture = result.requests[0].pictures
    requests = [
        request(
            "pivot-frame",
            "0",
            window,
            picture,
            reply=text,
            text=text,
            problem=text[:3000],
            answered_by=bad,
            asked=bad,
            prompt=bad,
            finish=bad,
            understood={bad: bad, "frame": bad, "boxes": [bad], "reason": {bad: [bad]}},
            tool_calls=[{"name": bad, "arguments": {bad: bad}}, {}],
        )
        for text in HOSTILE.values()
    ]
    requests.append(request(bad, "0", (), ["../../etc/passwd", bad, "/etc/passwd", picture[0]]))
    return result.model_copy(
        update={
            "strategy": bad,
            "requests": requests,
            "references": [
                r.model_copy(
                    update={
                        "text": bad,
                        "reason": bad,
                        "targets": [
                            t.model_copy(update={"label": bad, "words": bad}) for t in r.targets
                        ],
                    }
                )
                for r in result.references
            ],
            "objects": [
                o.model_copy(
                    update={
                        "expression": bad,
                        "reason": bad,
                        "label": bad,
                        "pivots": [p.model_copy(update={"reason": bad}) for p in o.pivots],
                    }
                )
                for o in result.objects
            ],
            "config": {bad: bad, "list": [bad, {bad: None}], "gpt_ps": bad},
            "prompts": [PromptRecord(step=bad, id=bad, digest=bad, source=bad)],
            "fallbacks": [FallbackRecord(stage=bad, reason=bad, exp_id="0")],
            "packages": {bad: bad},
            "seconds": {bad: 1.0, "write": float("inf")},
            "files": {bad: bad},
            "warnings": [bad],
            "llm": result.llm.model_copy(update={"models": [bad], "cost": None}),
            "video": result.video.model_copy(update={"source": f"/home/me/{bad[:300]}.mp4"}),
            "created": bad,
        }
    ), masks


def _frame(number: int) -> dict[str, Any]:
    return {"reason": "It is whole there.", "confidence": None, "frame": number}


def page_of(space: Workspace, made: tuple[RunResult, str | None]) -> Path:
    """Write the page of a run; its path."""
    from alref_agent.report.page import write_report

    result, masks = made
    write_report(space, result, masks)
    return space.folder / "report.html"
