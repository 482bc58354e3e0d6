"""A first call of OpenAI's client that goes nowhere, made once while there is time.

The client builds its types when it first needs them. Questions that are asked at once would each
build them, in turn: about 60 ms of the first round, against 15 ms here (`benchmarks/waiting.py`).
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from openai import DefaultHttpxClient

_REPLY = {
    "id": "0",
    "object": "chat.completion",
    "created": 0,
    "model": "none",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "[1]"}}
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
_QUESTION = HumanMessage(
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,", "detail": "low"}},
        {"type": "text", "text": "Which?"},
    ]
)


@cache
def rehearse() -> None:
    """Ask a client that answers itself."""
    # httpx or its successor, whichever this version of the client is built on.
    http: Any = sys.modules[DefaultHttpxClient.__mro__[1].__module__]
    transport = http.MockTransport(lambda _: http.Response(200, json=_REPLY))
    with http.Client(transport=transport, trust_env=False) as client:
        ChatOpenAI(
            model="none",
            base_url="http://localhost",
            api_key="none",
            max_retries=0,
            http_client=client,
            # Neither goes with a client of one's own.
            openai_proxy=None,
            http_socket_options=(),
        ).invoke([_QUESTION])
