"""The APIs as the real servers have them: what is refused, streams, tools, many at a time."""

from __future__ import annotations

import copy
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alref_agent.prompts import examples
from alref_agent.prompts.library import PromptLibrary
from llm_server import Answer, Call, Seen, frame, serve, serve_process
from llm_server.clients import APIS, KEY, WHICH_FRAME, chat, encode_png, raises, user
from llm_server.faults import read_fault
from llm_server.minds import mind_named
from llm_server.openai_api import OpenAiApi
from llm_server.server import ApiName
from llm_server.styles import style_named
from llm_server.tool_script import ToolScript

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look at a frame.",
        "parameters": {"type": "object", "properties": {"frame": {"type": "integer"}}},
    },
}
PICTURE = encode_png(np.zeros((8, 8, 3), np.uint8))


def post(url: str, body: object, key: str = KEY) -> tuple[int, Any]:
    """Without any client library."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def image(url: object) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "image_url", "image_url": url}]}


CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    ],
}
USER = {"role": "user", "content": "Which frame?"}
REFUSED_BY_OPENAI: list[tuple[dict[str, Any], str]] = [
    ({"messages": []}, "at least one"),
    ({"messages": [{"role": "narrator", "content": "x"}]}, "narrator"),
    ({"messages": [{"role": "user", "content": None}]}, "content"),
    ({"messages": [{"role": "user", "content": [{"type": "image", "base64": ""}]}]}, "'image'"),
    ({"messages": [image("data:image/png;base64,AAAA")]}, "image_url"),
    ({"messages": [image({"url": "https://example.org/x.png"})]}, "download"),
    ({"messages": [image({"url": "data:image/png;base64,!"})]}, "not base64"),
    ({"messages": [image({"url": "data:image/png;base64,AAAA"})]}, "not a picture"),
    ({"messages": [image({"url": "data:image/png;base64,AAAA", "detail": "best"})]}, "image_url"),
    ({"messages": [{"role": "tool", "tool_call_id": "c1", "content": "x"}]}, "'c1'"),
    ({"messages": [USER, CALL, USER]}, "c1"),
    ({"messages": [USER, CALL]}, "c1"),
    ({"max_tokens": "many"}, "max_tokens"),
    ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
    ({"temperature": 3}, "temperature"),
    ({"tools": []}, "tools"),
    ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format"),
    (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "x",
                    "strict": True,
                    "schema": {"type": "object", "properties": {"a": {"type": "string"}}},
                },
            }
        },
        "required",
    ),
]


def test_openai_refuses_what_is_not_well_formed() -> None:
    with serve("openai", mind="fixed:1", models=["m"]) as server:
        url = f"{server.url}/chat/completions"
        good = {"model": "m", "messages": [USER]}
        assert post(url, good)[0] == 200
        for wrong, says in REFUSED_BY_OPENAI:
            status, reply = post(url, good | wrong)
            assert status == 400
            assert says in reply["error"]["message"]
        assert post(url, good | {"model": "n"})[1]["error"]["code"] == "model_not_found"
        assert post(url, good, key="")[0] == 401
        assert post(url, b"{")[0] == 400
        assert post(f"{server.url}/completions", good)[0] == 404
        answered = [USER, CALL, {"role": "tool", "tool_call_id": "c1", "content": "x"}]
        assert post(url, good | {"messages": answered})[0] == 200
        data = {"url": f"data:image/jpeg;base64,{'A' * 8}"}
        picture_from_a_tool = image(data) | {"role": "tool", "tool_call_id": "c1"}
        assert "role 'tool'" in str(
            post(url, good | {"messages": [USER, CALL, picture_from_a_tool]})
        )
    with serve("openai", key="sk-right") as server:
        status, reply = post(f"{server.url}/chat/completions", good)
        assert status == 401
        assert KEY in reply["error"]["message"]


def test_ollama_refuses_what_is_not_well_formed() -> None:
    with serve("ollama", mind="fixed:1") as server:
        url = f"{server.url}/api/chat"
        good: dict[str, Any] = {"model": "llava", "messages": [USER], "stream": False}
        assert post(url, good)[1]["message"]["content"].endswith("[1]")
        for wrong in (
            {"messages": "x"},
            {"messages": [{"role": "narrator", "content": "x"}]},
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
            {"messages": [{"role": "user", "content": "x", "images": ["!"]}]},
            {"format": "xml"},
            {"options": {"temperature": "hot"}},
        ):
            assert post(url, good | wrong)[0] == 400
        status, reply = post(url, good | {"model": "else"})
        assert status == 404
        assert reply == {"error": 'model "else" not found, try pulling it first'}
    with serve("ollama") as server:
        with raises("ResponseError"):
            chat("ollama", server.url, "else").invoke(WHICH_FRAME)
        blind = chat("ollama", server.url, "llama3.2").invoke(user("Do you see?", [PICTURE]))
        assert "no picture" in blind.text


def test_the_libraries_underneath() -> None:
    openai = pytest.importorskip("openai")
    ollama = pytest.importorskip("ollama")
    with serve("openai", mind="fixed:2", models=["a", "b"]) as server:
        client = openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0)
        assert [model.id for model in client.models.list()] == ["a", "b"]
        made = client.chat.completions.create(model="a", messages=[USER])
        assert made.choices[0].message.content.endswith("[2]")
        assert server.paths == ["GET /v1/models", "POST /v1/chat/completions"]
    with serve("ollama", mind="fixed:2", models=["a", "b:7b"]) as server:
        client = ollama.Client(server.url)
        assert [model.model for model in client.list().models] == ["a:latest", "b:7b"]
        assert "vision" in client.show("a").capabilities
        with raises("ResponseError"):
            client.show("c")
        parts = [part.message.content for part in client.chat("a", [USER], stream=True)]
        assert len(parts) > 3
        assert "".join(parts).endswith("[2]")
        assert client.chat("b:7b", [USER]).message.content.endswith("[2]")


def test_openai_streams() -> None:
    with serve("openai", mind="fixed:2", script=["ok", "ok", "cut"]) as server:
        client = chat("openai", server.url, stream_usage=True)
        chunks = list(client.stream(WHICH_FRAME))
        assert len(chunks) > 5
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        assert whole.text.endswith("[2]")
        assert whole.usage_metadata["output_tokens"] > 3
        assert whole.response_metadata["finish_reason"] == "stop"
        bound = client.bind_tools([TOOL])
        assert "".join(chunk.text for chunk in bound.stream(WHICH_FRAME)).endswith("[2]")
        with raises("APIConnectionError"):
            list(client.stream(WHICH_FRAME))


@pytest.mark.parametrize("api", APIS)
def test_tools_by_a_script(api: ApiName) -> None:
    asked: list[Seen] = []

    def last(seen: Seen) -> str:
        asked.append(seen)
        return f"It said {seen.turns[-1].text}."

    script: ToolScript = [
        [{"name": "look", "arguments": {"frame": 3}}, Call("look", {"frame": 4})],
        last,
    ]
    with serve(api, mind="fixed:1", tool_script=script) as server:
        client = chat(api, server.url)
        assert client.invoke(WHICH_FRAME).text.endswith("[1]"), "without tools the mind answers"
        bound = client.bind_tools([TOOL])
        reply = bound.invoke(WHICH_FRAME)
        assert [call["args"] for call in reply.tool_calls] == [{"frame": 3}, {"frame": 4}]
        turns: list[Any] = [("user", WHICH_FRAME), reply]
        for number, call in enumerate(reply.tool_calls):
            turns.append({"role": "tool", "tool_call_id": call["id"], "content": f"dog {number}"})
        answer = bound.invoke(turns)
        assert answer.text == "It said dog 1."
        assert bound.invoke([*turns, answer, ("user", "More")]).text == "Done."
        [seen] = asked
        assert seen.tools[0]["name"] == "look"
        assert [call.name for call in seen.turns[1].calls] == ["look", "look"]


def test_broken_tool_calls() -> None:
    with serve("openai", tool_script=lambda seen: [Call("look", '{"frame": ')]) as server:
        reply = chat("openai", server.url).bind_tools([TOOL]).invoke(WHICH_FRAME)
        assert not reply.tool_calls
        assert reply.invalid_tool_calls[0]["name"] == "look"
    with serve("ollama", tool_script=lambda seen: [Call("look", '{"frame": ')]) as server:
        bound = chat("ollama", server.url).bind_tools([TOOL])
        with raises("ValidationError"):
            bound.invoke(WHICH_FRAME)


@pytest.mark.parametrize("api", APIS)
def test_twenty_at_a_time(api: ApiName) -> None:
    together = threading.Barrier(20)

    def mind(seen: Seen) -> Answer:
        together.wait(10)
        return frame(1)

    with serve(api, mind=mind, delay=0.3) as server:
        client = chat(api, server.url)
        with ThreadPoolExecutor(20) as pool:
            started = time.perf_counter()
            replies = list(pool.map(client.invoke, [WHICH_FRAME] * 20))
            seconds = time.perf_counter() - started
        assert all(reply.text.endswith("[1]") for reply in replies)
        assert server.max_concurrency == server.n_calls == 20
        assert 0.3 <= seconds < 20 * 0.3


def test_in_a_process_of_its_own() -> None:
    with serve_process("openai", mind="fixed:7", style="bare", delay=0.1, script=["500"]) as server:
        client = chat("openai", server.url)
        with raises("InternalServerError"):
            client.invoke(WHICH_FRAME)
        with ThreadPoolExecutor(4) as pool:
            assert {r.text for r in pool.map(client.invoke, [WHICH_FRAME] * 4)} == {"7"}
        stats = server.stats()
        assert stats["n_calls"] == 5
        assert 2 <= stats["max_concurrency"] <= 4
        assert all(r["seconds"] >= 0.1 for r in stats["requests"][1:])
        port = int(server.url.split(":")[2].split("/")[0])
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), 1):
        pass
    command = [sys.executable, "-m", "llm_server", "--style", "fancy"]
    tests = Path(__file__).parents[1]
    failed = subprocess.run(command, cwd=tests, capture_output=True, text=True)
    assert failed.returncode != 0
    assert "no style 'fancy'" in failed.stderr


def test_a_server_stops_at_once() -> None:
    with ThreadPoolExecutor(1) as pool:
        with serve("openai", script=["stall:60"]) as server:
            waiting = pool.submit(chat("openai", server.url).invoke, WHICH_FRAME)
            while not server.n_calls:
                time.sleep(0.01)
            started = time.perf_counter()
        with pytest.raises(Exception, match="Connection error"):
            waiting.result(5)
        assert time.perf_counter() - started < 2


def test_steps_are_told_apart_whatever_users_write() -> None:
    api = OpenAiApi(None, blind=False)
    pivots = [p for p in PromptLibrary().all() if p.step in ("pivot-frame", "pivot-box")]
    assert len(pivots) >= 6
    for prompt in pivots:
        for inputs in (examples.usual(), examples.fewest(), examples.hostile()):
            inputs = copy.deepcopy(inputs)
            inputs["expression"] += ' the "box" in the frame'
            rendered = prompt.render(**inputs)
            body = {"model": "m", "messages": [{"role": "user", "content": rendered.text}]}
            assert api.read(body, KEY, 0).step == prompt.step


def test_what_is_not_known() -> None:
    for known in (mind_named, style_named, read_fault):
        with pytest.raises(ValueError, match=r"no (mind|style|fault) 'x'"):
            known("x")
    with pytest.raises(ValueError, match="known"):
        serve(script=["500", "late"])
