"""Servers for tests that speak OpenAI's and Ollama's APIs and look at the pictures they get.

    with serve("openai", mind="marker", style="markdown", script=["500", "429:1"]) as server:
        ...  # server.url, server.requests, server.n_calls

`minds` says who answers, `styles` how the answer is dressed, `faults` what goes wrong before.
"""

from __future__ import annotations

from llm_server.faults import ProblemError
from llm_server.locating import locates, place_of
from llm_server.minds import Mind
from llm_server.process import Process, serve_process
from llm_server.seen import Answer, Call, Dressed, Seen, boxes, calls, frame, says
from llm_server.server import Received, Server, serve
from llm_server.styles import STYLES, Style

__all__ = [
    "STYLES",
    "Answer",
    "Call",
    "Dressed",
    "Mind",
    "ProblemError",
    "Process",
    "Received",
    "Seen",
    "Server",
    "Style",
    "boxes",
    "calls",
    "frame",
    "locates",
    "place_of",
    "says",
    "serve",
    "serve_process",
]
