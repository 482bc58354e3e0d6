"""What servers and settings must not do: leak keys, break runs, hold up an interrupt."""

from __future__ import annotations

import base64
import html
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from alref_agent.errors import ConfigError, LlmError
from alref_agent.providers.prices import Prices
from alref_agent.providers.secrets import Blotter
from conftest import CLIP

pytest.importorskip("langchain_openai", reason="the extra `llm` is not installed")
pytest.importorskip("langchain_ollama", reason="the extra `llm` is not installed")

from langchain_core.messages import AIMessage, HumanMessage

from alref_agent.providers.assembly import llm
from alref_agent.providers.chat_model import to_reply
from llm_server import ProblemError, calls, says, serve
from test_bad_input import refused
from test_providers import KEY, ask, question, settings

# Halves of characters, and keys in disguise -----------------------------------------------------


@pytest.mark.parametrize("said", ["\ud83d it is [1]", "It is \udc00. [1]"])
def test_half_a_character_is_written_out(said: str, tmp_path: Path) -> None:
    with serve("openai", mind=lambda seen: says(said)) as server:
        asked = llm(settings(server, "openai"), tmp_path)
        (outcome,) = asked.ask([question()])
    assert outcome.answer and outcome.answer.frame == 1
    record = asked.requests[0].model_dump_json()
    assert json.loads(record)["reply"] == said.encode("utf-8", "backslashreplace").decode()


def test_what_json_hides_in_a_reply_is_cleaned_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in KEY)
    said = f'{{"reason": "{escaped} \\ud83d", "frame": 2, "confidence": 1}}'
    with serve("openai", mind=lambda seen: says(said)) as server:
        (outcome,), asked = ask(settings(server, "openai"))
    assert outcome.answer and outcome.answer.reason == "[secret] \\ud83d"
    assert KEY not in asked.requests[0].model_dump_json()


def test_no_part_of_a_key_is_left_where_words_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def mind(seen: object) -> None:
        raise ProblemError(400, "invalid_request_error", "x" * 286 + KEY)

    with (
        serve("openai", mind=mind) as server,  # type: ignore[arg-type]
        pytest.raises(LlmError, match="does not take the request") as caught,
    ):
        ask(settings(server, "openai"))
    assert KEY[:6] not in str(caught.value)


def test_keys_are_known_in_other_writing() -> None:
    key = 'sk-proj-AB/cd+ef"gh~01'
    blot = Blotter({"SOME_API_KEY": key})
    encoded = [base64.b64encode(f"{'.' * n}{key}!".encode()).decode() for n in range(4)]
    php, page = json.dumps(key).replace("/", "\\/"), html.escape(key)
    numbers = [key.encode().hex(), key.encode().hex().upper()]
    written = [quote(key), quote(key, safe=""), json.dumps(key), php, page, *numbers, *encoded]
    for form in written:
        assert "[secret]" in blot(f"Bearer {form} is wrong"), form
    assert blot("sk-proj-ABC is another") == "sk-proj-ABC is another"


# Settings that would be kept, or break the client ------------------------------------------------


@pytest.mark.parametrize(
    ("option", "says_"),
    [
        ("openai_api_key=sk-123456789", "looks like a secret"),
        ("default_headers.X-Api-Key=abc123456", "'X-Api-Key', which looks like a secret"),
        ("default_headers.Authorization=abc123456", "looks like a secret"),
        ("extra_body.auth.token=abc123456", "looks like a secret"),
        ("default_query.key=abc123456", "looks like a secret"),
        ("default_headers.Ocp-Apim-Subscription-Key=abc123456", "looks like a secret"),
        ("openai_proxy=http://me:abc123456@proxy", "no parameter of a model"),
        ("model=x", "has a setting of its own: llm.model"),
        ("timeout=5", "llm.timeout"),
        ("http_client=1", "no parameter of a model"),
        ("top_p=banana", "llm.options cannot be used"),
        ("default_headers=5", "llm.options cannot be used"),
    ],
)
def test_options_that_are_no_options(option: str, says_: str) -> None:
    with serve("openai") as server:
        config = settings(server, "openai", f"llm.options.{option}")
        with pytest.raises(LlmError, match=says_) as caught:
            llm(config)
        assert server.n_calls == 0
    assert "123456" not in str(caught.value)


def test_options_of_models_reach_the_server() -> None:
    options = {
        "top_p": 0.5,
        "prompt_cache_key": "clip",
        "extra_body": {
            "stop_token_ids": [7],
            "first": {"token": 5},
            "chat_template_kwargs": {"enable_thinking": False},
        },
        "default_headers": {"X-Team": "vision"},
    }
    with serve("openai", mind="marker") as server:
        lines = [f"llm.options={json.dumps(options)}"]
        (outcome,), _ = ask(settings(server, "openai", *lines))
        (request,) = server.requests
    assert outcome.answer
    assert request.body["top_p"] == 0.5
    assert request.body["first"] == {"token": 5}
    assert request.body["prompt_cache_key"] == "clip"
    assert request.body["stop_token_ids"] == [7]
    assert request.body["chat_template_kwargs"] == {"enable_thinking": False}
    assert request.headers["x-team"] == "vision"


def test_an_option_that_the_client_does_not_know() -> None:
    with serve("openai") as server:
        config = settings(server, "openai", "llm.options.nonsense=1")
        with pytest.raises(LlmError, match="llm.options has what the client does not know: .*nons"):
            ask(config)


@pytest.mark.parametrize(
    ("lines", "says_"),
    [
        (["llm.base_url=http://127.0.0.1:9/v1?key=abc123456"], "has a query"),
        (["llm.base_url=http://me:abc123456@[127.0.0.1:9/v1"], "is no address"),
        (["llm.base_url=http://127.0.0.1:9/v1\n/x"], "is no address of a server"),
        (["llm.base_url=http://...../v1"], "is no address of a server"),
        (["llm.key_variable=sk-abc123456"], "no such name"),
        (["llm.key_variable=NOT_THERE", "llm.base_url=http://127.0.0.1:9"], "NOT_THERE is not set"),
        (["llm.max_cost=1", "llm.max_tokens=null"], "llm.max_cost needs a limit on replies"),
        (["llm.step_models.pivot-frme=openai:x"], "Unknown step 'pivot-frme'. Did you mean"),
        (["llm.timeout=.inf"], "llm.timeout"),
    ],
)
def test_settings_that_cannot_be(lines: list[str], says_: str, tmp_path: Path) -> None:
    words = [word for line in ["llm.model=openai:x", *lines] for word in ("--set", line)]
    out = tmp_path / "run"
    refused("segment", CLIP / "clip.mp4", "--text", "a dog", "--out", out, *words, says=says_)
    assert not out.exists()


def test_prices_that_are_no_prices(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text("models: {m: {input: .nan, output: 1}}")
    with pytest.raises(ConfigError, match="prices are lines"):
        Prices.load(file)


# Whose replies they are ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["OPENAI_BASE_URL", "OPENAI_API_BASE", "path"])
def test_replies_of_one_server_are_not_taken_for_those_of_another(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve("openai", mind="fixed:1") as one, serve("openai", mind="fixed:2") as two:
        frames: list[Any] = []
        for server in (one, two, two):
            url = server.url
            if how != "path":
                monkeypatch.setenv(how, url)
            lines = ["llm.model=openai:x", "llm.cache=true"]
            if how == "path":
                lines.append(f"llm.base_url={one.url.removesuffix('/v1')}/{two is server:d}/v1")
            from alref_agent.config import load_config

            asked = llm(load_config(settings=lines, environment={}))
            if how == "path":
                frames.append(asked.exchange("x").key(asked.request(question())))
                continue
            (outcome,) = asked.ask([question()])
            assert outcome.answer
            frames.append(outcome.answer.frame)
        if how == "path":
            assert frames[0] != frames[1] == frames[2]
        else:
            assert frames == [1, 2, 2]
            assert (one.n_calls, two.n_calls) == (1, 1)


# Odd fields ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [float("nan"), 1.5, -3, "many", None, True])
def test_tokens_that_are_no_number_are_not_known(n: object) -> None:
    answer = AIMessage("[1]", response_metadata={"finish_reason": ["stop", {}]})
    counted: Any = {"input_tokens": n, "output_tokens": 7, "total_tokens": 7}
    answer.usage_metadata = counted
    reply = to_reply(answer, "m")
    assert (reply.text, reply.finish) == ("[1]", "stop")
    assert (reply.input_tokens, reply.output_tokens) == (None, 7)


def test_a_message_of_another_role_is_no_reply() -> None:
    with pytest.raises(TypeError, match="role of the message is 'human'"):
        to_reply(HumanMessage("[1]"), "m")  # type: ignore[arg-type]


def test_arguments_nested_without_end_are_told_to_the_llm() -> None:
    deep: object = 1
    for _ in range(900):
        deep = [deep]
    wanted = [{"name": "look", "arguments": {"frames": deep}}]
    with serve("openai", mind=lambda seen: calls(wanted)) as server:
        asked = llm(settings(server, "openai"))
        reply = asked.say(asked.request(question()), "agent").reply
    assert reply.tool_calls[0].name == "look"
    assert reply.tool_calls[0].arguments == {"arguments": "nested too deeply"}


# An interrupt -------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_does_not_wait_for_a_server(which: signal.Signals, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with serve("openai", delay=60) as server:
        words = [
            sys.executable, "-m", "alref_agent", "segment", str(CLIP / "clip.mp4"),
            "--text", "the white cow", "--every", "8", "--out", str(out),
            "--llm", "openai:x", "--llm-base-url", server.url,
        ]  # fmt: skip
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as run:
            limit = time.monotonic() + 60
            while not server.n_calls and time.monotonic() < limit:
                time.sleep(0.05)
            started = time.monotonic()
            run.send_signal(which)
            _, error = run.communicate(timeout=30)
    assert time.monotonic() - started < 15
    assert run.returncode == 130
    assert error.startswith("error: Interrupted; with --resume")
    assert error.count("\n") == 1
    assert not (out / "result.json").exists()
