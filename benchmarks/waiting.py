"""How long step 1 waits for an LLM: all windows together, against the slowest call, and in a row.

    python benchmarks/waiting.py [--windows 20] [--seconds 0.3] [--concurrency 8] [--runs 3]

A server in a process of its own takes `--seconds` an answer; it speaks OpenAI's chat API and
decodes the pictures that it is sent. The client is the real one (langchain-openai), the sheets are
those of the example clip, played to and fro. The time is that of `Llm.ask`: from the questions to
the answers. Then the same run is done again, which must ask nobody.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import av
from PIL import Image

from alref_agent.agent.case import Case
from alref_agent.agent.questions import FRAME, Questions
from alref_agent.agent.windows import Windows
from alref_agent.config import Config, load_config
from alref_agent.media.video import open_video
from alref_agent.providers.assembly import llm
from alref_agent.providers.llm import Llm, Question
from alref_agent.tools.assembly import toolbox
from alref_agent.tools.frames import SampleFrames
from alref_agent.tools.sheets import ContactSheet
from alref_agent.types import Expression
from alref_agent.workspace import Workspace

ROOT = Path(__file__).parents[1]
LIMIT = 1.0
"""Seconds, of 20 windows at 0.3 s with 8 at once: three rounds of 0.3 s, and what we add."""


def write_frames(folder: Path, n_frames: int) -> Path:
    """Frames of the example clip, forward and backward in turn."""
    folder.mkdir()
    with av.open(str(ROOT / "examples" / "clip" / "clip.mp4")) as container:
        frames = list(container.decode(video=0))
    for i, frame in enumerate(islice(cycle(frames + frames[-2:0:-1]), n_frames)):
        picture = Image.fromarray(frame.to_ndarray(format="rgb24"))
        picture.save(folder / f"{i:05d}.jpg", quality=90)
    return folder


def questions(workspace: Workspace, config: Config, asked: Llm) -> list[Question[Any]]:
    """Those of step 1, with their sheets."""
    tools = toolbox(config)
    windows = Windows(tools.get(SampleFrames), tools.get(ContactSheet), config)
    make = Questions(windows, asked, config)
    case = Case(Expression("the white cow", "0"))
    of = windows.of(workspace)
    return [
        make.frame(workspace, case, window, len(of), make.frame_sheet(workspace, window))
        for window in of
    ]


def seconds_to_ask(asked: Llm, what: Sequence[Question[Any]]) -> float:
    """Wall time of all questions; every one must have an answer."""
    started = time.perf_counter()
    outcomes = asked.ask(what, stage=FRAME)
    seconds = time.perf_counter() - started
    problems = [outcome.problem for outcome in outcomes if outcome.answer is None]
    if problems:
        raise SystemExit(f"no usable answer: {problems[0]}")
    return seconds


def main() -> None:
    """Measure and print; status 1 where the limit is passed or a second run asks anew."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--windows", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    serve_process = importlib.import_module("llm_server.process").serve_process
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["XDG_CACHE_HOME"] = scratch
        os.environ["OPENAI_API_KEY"] = "none-is-needed"
        scratch_folder = Path(scratch)
        frames = write_frames(scratch_folder / "frames", 5 * options.windows)
        (scratch_folder / "run").mkdir()
        with (
            serve_process(mind="fixed:1", delay=options.seconds) as server,
            closing(Workspace.create(scratch_folder / "run", open_video(frames), {})) as workspace,
        ):

            def configured(repeat: int, concurrency: int) -> Config:
                settings = {
                    "llm.model": "openai:gpt-4.1",
                    "llm.base_url": server.url,
                    "llm.concurrency": concurrency,
                    "llm.repeat": repeat,
                    "sampling.step": 1,
                }
                return load_config("offline", settings=settings, environment={})

            def fresh(config: Config, name: str) -> Llm:
                return llm(config, scratch_folder / name)

            config = configured(0, options.concurrency)
            what = questions(workspace, config, fresh(config, "none"))
            size = statistics.mean(len(q.pictures[0].data) for q in what) / 1000
            print(f"{len(what)} windows, sheets of {size:.0f} kB, {options.seconds} s an answer")
            together = []
            for i in range(options.runs):
                config = configured(i, options.concurrency)
                started = time.perf_counter()
                asked = fresh(config, f"together-{i}")
                made = time.perf_counter() - started
                together.append(seconds_to_ask(asked, what))
                slowest = max(record.seconds for record in asked.requests)
                print(
                    f"{options.concurrency} at once: {together[-1]:.3f} s, "
                    f"{together[-1] / slowest:.2f} times the slowest call ({slowest:.3f} s); "
                    f"client made in {made:.3f} s",
                    flush=True,
                )
            before = server.stats()
            again = fresh(configured(0, options.concurrency), "again")
            cached = seconds_to_ask(again, what)
            more = server.stats()["n_calls"] - before["n_calls"]
            print(f"the same again: {cached:.3f} s, {more} calls")
            row = seconds_to_ask(fresh(configured(options.runs, 1), "row"), what)
            print(f"one by one: {row:.3f} s, {row / max(together):.1f} times as long")
            print(f"at once, as the server saw it: {before['max_concurrency']}")
    worst = max(together)
    print(f"step 1 took {worst:.3f} s at most (limit {LIMIT} s)")
    sys.exit(worst > LIMIT or more > 0)


if __name__ == "__main__":
    main()
