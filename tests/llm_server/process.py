"""The server in a process of its own, so that it takes no time from the client's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

from llm_server.server import ApiName

_TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Process:
    url: str

    def stats(self) -> dict[str, Any]:
        """`n_calls`, `max_concurrency` and `requests`: when each began, seconds to its answer."""
        direct = build_opener(ProxyHandler({}))
        with direct.open(self.url.removesuffix("/v1") + "/_stats", timeout=10) as reply:
            found: dict[str, Any] = json.load(reply)
        return found


@contextmanager
def serve_process(
    api: ApiName = "openai",
    *,
    mind: str = "marker",
    style: str = "plain",
    delay: float = 0.0,
    script: Sequence[str] = (),
    models: Sequence[str] = (),
    blind: bool = False,
    key: str | None = None,
) -> Iterator[Process]:
    """The same as `serve`, with what can be said in words; it ends with its `with` block."""
    command = [sys.executable, "-m", "llm_server", "--api", api, "--mind", mind, "--style", style]
    command += ["--delay", str(delay), "--with-parent"]
    command += [f"--script={','.join(script)}"] * bool(script)
    command += [f"--models={','.join(models)}"] * bool(models)
    command += ["--blind"] * blind
    command += [f"--key={key}"] * (key is not None)
    process = subprocess.Popen(
        command, cwd=_TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError(f"the server did not start: status {process.wait()}")
        try:
            yield Process(url)
        finally:
            process.terminate()
            process.wait(10)
