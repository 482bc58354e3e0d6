"""What a person sees in a terminal: progress bars and tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table

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
            escape(record.expression),
            f"[{colour}]{record.status}[/]",
            escape(record.label or "-"),
            "-" if record.score is None else f"{record.score:.2f}",
            f"{record.n_frames} of {n_frames}",
            f"{record.n_frames / fps:.1f}",
        )
    console.print(table)
    for record in run.objects:
        if record.status != "found":
            console.print(f"{record.obj_id}: {record.reason}", markup=False, highlight=False)
    for warning in run.result.warnings:
        console.print(f"warning: {warning}", markup=False, highlight=False)
    seconds = run.result.seconds
    total = sum(seconds.values())
    stages = ", ".join(f"{stage} {value:.1f}" for stage, value in seconds.items() if value >= 0.05)
    console.print(
        f"Took {total:.1f} s, {n_frames / max(total, 1e-9):.1f} frames a second ({stages}).",
        highlight=False,
        soft_wrap=True,
    )
    place = run.result.files.get("overlay") or run.result.files["masks"]
    console.print(f"{run.folder}: look at {place}", markup=False, highlight=False, soft_wrap=True)
