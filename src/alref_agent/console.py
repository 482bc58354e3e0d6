"""What a person sees in a terminal: progress bars and tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from alref_agent.planning import Plan
from alref_agent.record import LlmUsage
from alref_agent.report.words import seen
from alref_agent.run import Run

T = TypeVar("T")

_COLOURS = {"found": "green", "no-target": "yellow", "failed": "red"}


class ProgressBars:
    """One bar a stage, on standard error; nothing where that is no terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)

    def track(self, items: Iterable[T], stage: str, total: int) -> Iterator[T]:
        """Pass `items` on and show how far they are."""
        columns = (
            TextColumn("{task.description:>8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        hidden = not self._console.is_terminal
        with Bars(*columns, console=self._console, disable=hidden) as bars:
            task = bars.add_task(stage, total=total)
            for item in items:
                yield item
                bars.advance(task)
            bars.update(task, completed=total)


def show_run(run: Run) -> None:
    """The summary at the end of a run, on standard output."""
    console = Console()
    table = Table(box=None, pad_edge=False)
    for column in ("object", "expression", "answer", "taken for"):
        table.add_column(column)
    for column in ("score", "frames", "seconds"):
        table.add_column(column, justify="right")
    n_frames, fps = run.result.video.n_frames, run.result.video.fps
    for record in run.objects:
        colour = _COLOURS[record.status]
        table.add_row(
            str(record.obj_id),
            _plain(record.expression),
            Text(record.status, colour),
            _plain(record.label or "-"),
            "-" if record.score is None else f"{record.score:.2f}",
            f"{record.n_frames} of {n_frames}",
            f"{record.n_frames / fps:.1f}",
        )
    console.print(table)
    for record in run.objects:
        if record.status != "found":
            console.print(_plain(f"{record.obj_id}: {record.reason}"))
    for warning in run.result.warnings:
        console.print(_plain(f"warning: {warning}"))
    seconds = run.result.seconds
    total = sum(seconds.values())
    stages = ", ".join(f"{stage} {value:.1f}" for stage, value in seconds.items() if value >= 0.05)
    speed = n_frames / max(total, 1e-9)
    console.print(
        _plain(f"Took {total:.1f} s, {speed:.1f} frames a second ({stages})."), soft_wrap=True
    )
    used = run.result.llm
    if used.calls or used.cached:
        console.print(_plain(_llm_line(used)), soft_wrap=True)
    if run.result.fallbacks:
        n = len(run.result.fallbacks)
        console.print(_plain(f"{n} fall-back{'s' * (n > 1)} taken: see result.json."))
    files = run.result.files
    place = " and ".join(files[name] for name in ("overlay", "report") if name in files)
    console.print(_plain(f"{run.folder}: look at {place or files['masks']}"), soft_wrap=True)


def show_plan(plan: Plan, as_json: bool) -> None:
    """What a run would send and cost, on standard output."""
    console = Console()
    if as_json:
        console.print(json.dumps(asdict(plan)), markup=False, highlight=False, soft_wrap=True)
        return
    new = plan.calls - plan.known
    cost = "unknown: no price" if plan.cost is None else f"about ${plan.cost:.4f}"
    there = f", of which {plan.known} are answered already" if plan.known else ""
    calls = "1 call" if new == 1 else f"{new} calls"
    for line in (
        f"{plan.asked}: at most {plan.calls} question{'s' * (plan.calls != 1)}{there}; one "
        "whose reply cannot be used is asked twice.",
        f"{calls}: about {plan.input_tokens:,} tokens in, {plan.output_tokens:,} out.",
        f"Cost: {cost} (prices of {plan.prices_of}). Nothing was sent.",
    ):
        console.print(_plain(line), soft_wrap=True)


def _plain(text: str) -> Text:
    """Anybody's text as one line that does nothing to the terminal: no codes, markup or emoji."""
    return Text(seen(text).replace("\n", " "))


def _llm_line(used: LlmUsage) -> str:
    cost = "at unknown cost" if used.cost is None else f"for ${used.cost:.4f}"
    tokens = f"{used.input_tokens:,} tokens in, {used.output_tokens:,} out"
    calls = f"{used.calls} call{'s' * (used.calls != 1)} ({tokens}) {cost}"
    if not used.calls:
        calls = "no calls"
    cached = f", {used.cached} answered already" if used.cached else ""
    repairs = f", {used.repairs} of all to repair a reply" if used.repairs else ""
    return f"LLM: {calls}{cached}{repairs}; answered by {', '.join(used.models) or '-'}."
