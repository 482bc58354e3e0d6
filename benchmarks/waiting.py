"""How long step 1 waits for an LLM: all windows together, against the slowest call, and in a row.

    python benchmarks/waiting.py [--windows 20] [--seconds 0.3] [--concurrency 8] [--runs 5]

A server in a process of its own answers each chat `--seconds` after it came in, as OpenAI's chat
API does. The client is the real one (langchain-openai), the sheets are those of the example clip,
played to and fro. The time is that of `Llm.ask`: from the questions to the answers. Then the same
run is done again, which must ask nobody.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

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

SERVER = """
import asyncio, json, os, sys

delay, calls, out, most = float(sys.argv[1]), 0, 0, 0
reply = {
    "id": "1", "object": "chat.completion", "created": 0, "model": "gpt-4.1",
    "choices": [{
        "index": 0, "finish_reason": "stop",
        "message": {"role": "assistant", "content": "It is whole there. [1]"},
    }],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010},
}

async def serve(reader, writer):
    global calls, out, most
    loop = asyncio.get_running_loop()
    try:
        while True:
            head = (await reader.readuntil(b"\\r\\n\\r\\n")).decode().lower()
            due = loop.time() + delay
            size = head.partition("content-length:")[2].split()
            body = await reader.readexactly(int(size[0]) if size else 0)
            answer = {"calls": calls, "most": most}
            if head.startswith("post"):
                calls, out = calls + 1, out + 1
                most = max(most, out)
                assert b"data:image/" in body
                await asyncio.sleep(due - loop.time())
                out, answer = out - 1, reply
            data = json.dumps(answer).encode()
            writer.write(
                b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\n"
                b"Content-Length: %d\\r\\n\\r\\n" % len(data) + data
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)  # whoever still waits is not waited for

asyncio.run(main())
"""
"""Answers after so many seconds, tells what it was asked, ends with its standard input."""


@contextmanager
def served(seconds: float) -> Iterator[str]:
    """The server in a process of its own, and its URL."""
    words = [sys.executable, "-c", SERVER, str(seconds)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        server.stdin.close()


def asked_of(url: str) -> tuple[int, int]:
    """How many calls the server had, and how many at once."""
    with build_opener(ProxyHandler({})).open(url, timeout=10) as reply:
        told = json.load(reply)
    return told["calls"], told["most"]


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
    """Measure and print; status 1 where the median passes the limit or a second run asks anew."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--windows", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["XDG_CACHE_HOME"] = scratch
        os.environ["OPENAI_API_KEY"] = "none-is-needed"
        scratch_folder = Path(scratch)
        frames = write_frames(scratch_folder / "frames", 5 * options.windows)
        (scratch_folder / "run").mkdir()
        with (
            served(options.seconds) as url,
            closing(Workspace.create(scratch_folder / "run", open_video(frames), {})) as workspace,
        ):

            def configured(repeat: int, concurrency: int) -> Config:
                settings = {
                    "llm.model": "openai:gpt-4.1",
                    "llm.base_url": f"{url}/v1",
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
            before, most = asked_of(url)
            again = fresh(configured(0, options.concurrency), "again")
            cached = seconds_to_ask(again, what)
            more = asked_of(url)[0] - before
            print(f"the same again: {cached:.3f} s, {more} calls")
            row = seconds_to_ask(fresh(configured(options.runs, 1), "row"), what)
            print(f"one by one: {row:.3f} s, {row / max(together):.1f} times as long")
            print(f"at once, as the server saw it: {most}")
    usual = statistics.median(together)
    print(f"step 1 took {usual:.3f} s (median; limit {LIMIT} s), {max(together):.3f} s at most")
    sys.exit(usual > LIMIT or more > 0)


if __name__ == "__main__":
    main()
