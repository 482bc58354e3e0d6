"""The real client libraries against servers on loopback: styles, failures, pictures, keys."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alref_agent.agent.replies import box_reader, frame_reader
from alref_agent.config import Config, load_config
from alref_agent.errors import (
    AlrefError,
    BudgetError,
    LlmError,
    LlmUnavailableError,
    MissingPackageError,
)
from alref_agent.media.sheet import encoded_sheets
from alref_agent.prompts.library import PromptLibrary
from alref_agent.providers.assembly import llm
from alref_agent.providers.check import check
from alref_agent.providers.llm import Llm, Outcome, Question
from alref_agent.providers.messages import Message, Picture, Request, Sampling, ToolCall

pytest.importorskip("langchain_openai", reason="the extra `llm` is not installed")
pytest.importorskip("langchain_ollama", reason="the extra `llm` is not installed")

from llm_server import Answer, Seen, Server, calls, says, serve

MARKER = (0, 0, 255)
KEY = "sk-not-a-real-key-1234567890"
APIS = ("openai", "ollama")


def settings(server: Server, api: str, *more: str) -> Config:
    lines = [f"llm.model={api}:llava", f"llm.base_url={server.url}", "llm.cache=false"]
    return load_config(settings=[*lines, "llm.max_wait=0.05", *more], environment={})


def frames(best: int) -> list[np.ndarray]:
    """Five frames; a blue square shows on each, the largest on frame `best`."""
    made = []
    for number in range(1, 6):
        frame = np.full((180, 320, 3), 120, np.uint8)
        side = 80 if number == best else 20
        frame[60 : 60 + side, 100 : 100 + side] = MARKER
        made.append(frame)
    return made


def pictures(best: int = 3, layout: str = "vertical", boxes: bool = False) -> tuple[Picture, ...]:
    drawn = {}
    if boxes:
        drawn = {best: np.array([[5, 5, 60, 60], [95, 55, 185, 145]], np.float32)}
    sheets = encoded_sheets(frames(best), layout, 2048, 4_000_000, drawn)  # type: ignore[arg-type]
    return tuple(Picture(s.data, s.mime_type, s.digest, size=(s.height, s.width)) for s in sheets)


def question(
    version: str = "v1", layout: str = "vertical", step: str = "pivot-frame"
) -> Question[Any]:
    prompt = PromptLibrary().get(step, version)
    on_frames = step == "pivot-frame"
    words = {"phrase": "square", "score": 0.9, "place": "middle", "size": "small", "motion": ""}
    rendered = prompt.render(
        expression="the blue square",
        n_frames=5,
        frames=[{"number": n, "frame_idx": n, "seconds": n / 2} for n in range(1, 6)],
        layout="stacked from top to bottom",
        seconds_between=0.5,
        window=1,
        n_windows=1,
        sightings=[],
        pivot=3,
        boxes=[
            {"number": 1, "colour": "green"} | words,
            {"number": 2, "colour": "magenta"} | words,
        ],
        n_boxes=2,
    )
    read = frame_reader(prompt, 5) if on_frames else box_reader(prompt, 2)
    sheet = pictures(layout=layout, boxes=not on_frames)
    return Question(rendered, sheet, read, "0", (0, 5, 10, 15, 20))


def blank(shade: int) -> tuple[Picture, ...]:
    """A small sheet of one marked frame; another for each shade."""
    frame = np.full((120, 160, 3), 100 + shade, np.uint8)
    frame[40:80, 40:80] = MARKER
    (sheet,) = encoded_sheets([frame], "vertical", 2048, 4_000_000, {})
    return (Picture(sheet.data, sheet.mime_type, sheet.digest, size=(sheet.height, sheet.width)),)


def ask(config: Config, *questions: Question[Any]) -> tuple[list[Outcome[Any]], Llm]:
    asked = llm(config)
    return asked.ask(questions or (question(),)), asked


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("layout", ["vertical", "horizontal", "grid", "separate"])
def test_the_picture_arrives_and_is_answered_from_its_pixels(api: str, layout: str) -> None:
    with serve(api, mind="marker") as server:  # type: ignore[arg-type]
        (outcome,), _ = ask(settings(server, api), question(layout=layout))
        assert outcome.answer and outcome.answer.frame == 3
        (outcome,), asked = ask(settings(server, api), question(step="pivot-box", layout=layout))
        assert outcome.answer and outcome.answer.boxes == (2,)
    assert asked.requests[0].input_tokens


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("step", ["pivot-frame", "pivot-box"])
def test_structured_output_is_asked_for_and_read(api: str, step: str) -> None:
    with serve(api, mind="marker") as server:  # type: ignore[arg-type]
        (outcome,), _ = ask(settings(server, api), question("v2", step=step))
        body = server.requests[0].body
    schema = body["format"] if api == "ollama" else body["response_format"]["json_schema"]["schema"]
    assert "confidence" in schema["properties"]
    assert outcome.answer is not None
    answer = outcome.answer.model_dump()
    assert answer["frame" if step == "pivot-frame" else "boxes"] in (3, (2,))


@pytest.mark.parametrize("api", APIS)
def test_all_windows_are_asked_together(api: str) -> None:
    """20 windows, 8 at once, are three rounds; `benchmarks/waiting.py` has the exact figure."""
    with serve(api, mind="marker", delay=0.3) as server:  # type: ignore[arg-type]
        config = settings(server, api, "llm.concurrency=8")
        questions = [replace(question(), exp_id=str(i), pictures=blank(i)) for i in range(20)]
        started = time.perf_counter()
        outcomes, _ = ask(config, *questions)
        seconds = time.perf_counter() - started
    assert [outcome.problem for outcome in outcomes] == [""] * 20
    assert 0.9 <= seconds < 3.5, "one by one: 6 s"
    assert len(server.requests) == 20


GOOD = [
    "plain", "bare", "markdown", "brackets_twice", "thinking", "reasoning_field", "json_fence",
    "float", "nested", "fullwidth", "echo_key", "injected", "huge", "repairable",
]  # fmt: skip


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("style", GOOD)
def test_styles_of_right_answers(api: str, style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serve(api, mind="marker", style=style) as server:  # type: ignore[arg-type]
        (outcome,), asked = ask(settings(server, api))
    assert outcome.answer is not None, outcome.problem
    assert outcome.answer.frame == 3
    assert len(asked.requests) == (2 if style == "repairable" else 1)
    if style == "echo_key" and api == "openai":
        assert "[secret]" in asked.requests[0].reply
    assert all(KEY not in r.model_dump_json() for r in asked.requests)


BAD = {
    "wrong_type": "no number",
    "out_of_range": "numbered 1 to 5",
    "several_numbers": "one is asked for",
    "words": "no number",
    "refusal": "refused",
    "content_filter": "refused",
    "empty": "is empty",
    "cut_off": "cut off at the limit of tokens",
    "never": "no number",
}


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("style", list(BAD))
def test_styles_of_answers_that_cannot_be_used(api: str, style: str, version: str) -> None:
    with serve(api, mind="marker", style=style) as server:  # type: ignore[arg-type]
        (outcome,), asked = ask(settings(server, api), question(version))
        assert server.n_calls == 2, "one repair turn"
    assert outcome.answer is None
    assert [r.repair for r in asked.requests] == [False, True]
    if version == "v1" and not (api == "ollama" and style in ("refusal", "content_filter")):
        assert BAD[style] in asked.requests[0].problem


def test_what_is_no_text_is_kept_as_far_as_it_can_be() -> None:
    with serve("openai", mind="marker", style="not_utf8") as server:
        (outcome,), asked = ask(settings(server, "openai"))
    assert outcome.answer is None
    assert "no text (UTF-8)" in outcome.problem
    assert "\ufffd" in asked.requests[0].reply


def test_none_is_an_answer() -> None:
    with serve("openai", mind="none") as server:
        (outcome,), _ = ask(settings(server, "openai"), question("v2"))
    assert outcome.answer is not None
    assert outcome.answer.frame is None


PASSING = [
    ["500", "500"], ["503:0"], ["502html"], ["408"], ["409"], ["529"], ["429:0"], ["429:date:0"],
    ["429:unsaid"], ["cut"], ["reset"], ["unfinished"], ["500", "cut", "429:0"],
]  # fmt: skip


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("script", PASSING, ids="-".join)
def test_failures_that_pass(api: str, script: Sequence[str]) -> None:
    with serve(api, mind="marker", script=script) as server:  # type: ignore[arg-type]
        (outcome,), asked = ask(settings(server, api))
        assert server.n_calls == len(script) + 1
    assert outcome.answer is not None
    assert asked.requests[0].attempts == len(script) + 1


@pytest.mark.parametrize("api", APIS)
def test_retry_after_is_honoured(api: str) -> None:
    with serve(api, mind="marker", script=["429:0.4"]) as server:  # type: ignore[arg-type]
        ask(settings(server, api, "llm.max_wait=5", "llm.attempts=2"))
        first, second = server.requests
    assert 0.4 <= second.started - first.started < 3


@pytest.mark.parametrize("api", APIS)
def test_a_stall_is_a_failure_and_a_slow_answer_is_none(api: str) -> None:
    with serve(api, mind="marker", script=["stall:3", "slow:1"]) as server:  # type: ignore[arg-type]
        started = time.perf_counter()
        (outcome,), _ = ask(settings(server, api, "llm.timeout=0.5"))
        assert time.perf_counter() - started < 2.9
    assert outcome.answer is not None


STAYING = {
    "400:the picture is too large": "does not take the request (400): the picture is too large",
    "401": "refuses the API key (401)",
    "403": "may not be used with this API key (403)",
    "404": "is not there (404)",
    "429": "has no credit left (429)",
    "400:temperature is not supported": "llm.temperature=null",
}


@pytest.mark.parametrize("fault", list(STAYING))
def test_failures_that_stay(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serve("openai", mind="marker", script=[fault]) as server:
        with pytest.raises(LlmError) as error:
            ask(settings(server, "openai"))
        assert server.n_calls == 1, "it is not tried again"
    assert STAYING[fault] in str(error.value)
    assert error.value.exit_status == 2
    assert KEY not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("fault", ["401", "404", "400:no"])
def test_failures_of_ollama_that_stay(fault: str) -> None:
    with serve("ollama", mind="marker", script=[fault]) as server:
        with pytest.raises(LlmError, match=fault[:3]):
            ask(settings(server, "ollama"))
        assert server.n_calls == 1


@pytest.mark.parametrize("api", APIS)
def test_failures_without_end(api: str) -> None:
    with serve(api, mind="marker", script=lambda received: "500") as server:  # type: ignore[arg-type]
        with pytest.raises(LlmUnavailableError, match="was asked 3 times and failed: 500") as error:
            ask(settings(server, api, "llm.attempts=3"))
        assert server.n_calls == 3
    assert error.value.exit_status == 1


def test_a_web_page_is_no_llm() -> None:
    with serve("openai", style="html") as server:
        with pytest.raises(LlmError, match="web page.*usually ends in /v1"):
            ask(settings(server, "openai"))
        with pytest.raises(LlmError, match="web page"):
            ask(settings(server, "openai"), question("v2"))


def test_answers_without_a_choice_and_errors_in_disguise() -> None:
    with (
        serve("openai", style="no_choices") as server,
        pytest.raises(LlmUnavailableError, match="what came back is no reply"),
    ):
        ask(settings(server, "openai", "llm.attempts=2"))
    with serve("openai", mind="marker", script=["error200"]) as server:
        assert ask(settings(server, "openai"))[0][0].answer is not None


def test_a_server_that_goes_away_is_waited_for_and_one_that_never_was_is_not() -> None:
    with serve("openai", mind="marker") as server:
        config = settings(server, "openai", "llm.attempts=2")
        asked = llm(config)
        asked.ask([question()])
    with pytest.raises(LlmUnavailableError, match="asked 2 times"):
        asked.ask([question("v2")])
    with pytest.raises(LlmError, match=r"cannot be reached.*Is the server up"):
        ask(config)


def test_ollama_is_looked_at_before_anything_is_sent() -> None:
    with serve("ollama") as server:
        unknown = settings(server, "ollama", "llm.model=ollama:nobody")
        with pytest.raises(LlmError, match=r"has no model 'nobody': ollama pull nobody"):
            llm(unknown)
        with serve("openai") as other, pytest.raises(LlmError, match="Ollama"):
            llm(settings(other, "ollama", f"llm.base_url={other.url}"))
    with pytest.raises(LlmError, match="No Ollama server answers at .* `ollama serve`"):
        llm(unknown)


def test_the_address_of_ollama_is_taken_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serve("ollama", mind="marker") as server:
        for host in (server.url, server.url.removeprefix("http://"), server.url + "/"):
            monkeypatch.setenv("OLLAMA_HOST", host)
            config = settings(server, "ollama", "llm.base_url=")
            assert ask(config)[0][0].answer is not None


def test_what_is_sent_is_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    more = ["llm.temperature=0.3", "llm.max_tokens=77", "seed=5", "llm.detail=low"]
    with serve("openai", mind="marker") as server:
        ask(settings(server, "openai", *more, "llm.options.top_p=0.5"))
        body = server.requests[0].body
        ask(settings(server, "openai", "llm.temperature=null", "llm.max_tokens=null"))
        bare = server.requests[1].body
    assert (body["temperature"], body["seed"], body["top_p"]) == (0.3, 5, 0.5)
    assert 77 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    image = next(p for p in body["messages"][-1]["content"] if p["type"] == "image_url")
    assert image["image_url"]["detail"] == "low"
    assert not {"temperature", "max_tokens", "max_completion_tokens"} & set(bare)
    with serve("ollama", mind="marker") as server:
        ask(settings(server, "ollama", *more))
        options = server.requests[0].body["options"]
    assert (options["temperature"], options["num_predict"], options["seed"]) == (0.3, 77, 5)


def test_the_key_is_sent_and_another_variable_may_hold_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SERVERS_WORD", KEY)
    with serve("openai", mind="marker", style="echo_key") as server:
        _, asked = ask(settings(server, "openai", "llm.key_variable=MY_SERVERS_WORD"))
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in asked.requests[0].reply
    with pytest.raises(LlmError, match="MY_WORD is not set"):
        llm(
            load_config(settings=["llm.model=openai:x", "llm.key_variable=MY_WORD"], environment={})
        )
    monkeypatch.setenv("OPENAI_API_KEY", "a b\u00e9")
    with pytest.raises(LlmError, match="holds no API key"):
        llm(load_config(settings=["llm.model=openai:x"], environment={}))


def test_who_answered_is_kept_as_the_server_says() -> None:
    with serve("openai", mind="marker") as server:
        _, asked = ask(settings(server, "openai"))
    record = asked.requests[0]
    assert record.asked.startswith("openai:llava at 127.0.0.1:")
    assert record.answered_by == "llava-2026-01-01"


@pytest.mark.parametrize("api", APIS)
def test_check_sees_whether_an_llm_sees(api: str) -> None:
    with serve(api, mind="marker") as server:  # type: ignore[arg-type]
        report = check(llm(settings(server, api)))
        assert report.sees, report.line
        assert "answers and sees" in report.line
    with serve(api, mind=lambda seen: says("A cat.")) as server:  # type: ignore[arg-type]
        report = check(llm(settings(server, api)))
    assert not report.sees
    assert "does not see" in report.line


@pytest.mark.parametrize("api", APIS)
def test_check_of_one_that_refuses_pictures(api: str) -> None:
    def mind(seen: Seen) -> Answer:
        return says(seen.text.rpartition(": ")[2])

    with serve(api, mind=mind, blind=True) as server:  # type: ignore[arg-type]
        report = check(llm(settings(server, api)))
        assert not report.sees
        assert "takes no pictures" in report.line
        if api == "openai":  # Ollama says beforehand what a model can do
            with pytest.raises(LlmError, match=r"no pictures: --set prompts.pivot_frame=text-v1"):
                ask(settings(server, api))


def test_limits_hold_for_a_run_however_often_it_goes_on(tmp_path: Path) -> None:
    with serve("openai", mind="marker") as server:
        calls_ = settings(server, "openai", "llm.max_calls=2")
        llm(calls_, tmp_path).ask([question(), question("v2")])
        again = llm(calls_, tmp_path)
        again.ask([question("v2")])  # it is there
        with pytest.raises(BudgetError, match="2 calls were made, the limit is 2"):
            again.ask([question(layout="grid")])
        llm(settings(server, "openai", "llm.max_calls=3"), tmp_path).ask([question(layout="grid")])
        assert len(server.requests) == 3
        prices = tmp_path / "prices.yaml"
        prices.write_text("checked: 2026-01-01\nmodels: {llava: {input: 1000, output: 1000}}\n")
        money = settings(server, "openai", "llm.max_cost=5", f"llm.prices={prices}")
        with pytest.raises(BudgetError, match=r"llm.max_cost: \$[1-9]"):
            llm(money, tmp_path).ask([question(layout="horizontal")])
        assert len(server.requests) == 3


def test_a_step_of_another_provider_has_its_own_server_and_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with serve("openai", mind="marker") as main, serve("ollama", mind="marker") as other:
        monkeypatch.setenv("OLLAMA_HOST", other.url)
        steps = ["llm.step_models.pivot-box=ollama:llava", "llm.key_variable=MY_KEY"]
        asked = llm(settings(main, "openai", *steps, "llm.options.top_p=0.5"))
        outcomes = asked.ask([question()]) + asked.ask([question(step="pivot-box")])
        assert all(outcome.answer for outcome in outcomes)
        assert [len(main.requests), len(other.requests)] == [1, 1]
        assert main.requests[0].body["top_p"] == 0.5
        assert KEY not in str(other.requests[0].headers)


def test_check_of_one_that_fails() -> None:
    with serve("openai", script=["401"]) as server, pytest.raises(LlmError, match="401"):
        check(llm(settings(server, "openai")))


@pytest.mark.parametrize("api", APIS)
def test_tools_are_offered_and_called(api: str) -> None:
    wanted = [{"name": "look", "arguments": {"frames": [1, 2]}}]
    tool = {
        "name": "look",
        "description": "Look.",
        "parameters": {"type": "object", "properties": {"frames": {"type": "array"}}},
    }
    first = Message("user", ("Look at it.",))
    with serve(api, mind=lambda seen: calls(wanted)) as server:  # type: ignore[arg-type]
        provider = llm(settings(server, api)).exchange("x").provider
        reply = provider.complete(Request((first,), Sampling(), tools=(tool,)))
        (call,) = reply.tool_calls
        assert (call.name, call.arguments, reply.finish) == (
            "look",
            {"frames": [1, 2]},
            "tool-calls",
        )
        said = Message("assistant", ("",), (ToolCall(call.id, "look", {"frames": [1, 2]}),))
        done = Message("tool", ("seen",), tool_call_id=call.id)
        provider.complete(Request((first, said, done), Sampling(), tools=(tool,)))
        assert server.requests[1].body["messages"][-1]["role"] == "tool"


def test_other_providers_of_langchain() -> None:
    for name, error, words in (
        ("anthropic:claude", MissingPackageError, "pip install langchain-anthropic"),
        ("nobody:model", LlmError, "Unknown LLM 'nobody:model'"),
    ):
        with pytest.raises(error, match=words):
            llm(load_config(settings=[f"llm.model={name}"], environment={}))
    with serve("ollama", mind="marker") as server:
        # LangChain's own way to a provider that we know too.
        from alref_agent.providers.any_chat_model import AnyChatModel

        config = settings(server, "ollama")
        provider = AnyChatModel.from_config("ollama:llava", config)
        assert "3" in provider.complete(llm(config).request(question())).text


def test_a_red_picture_is_another_request(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (64, 64), c) for c in ("red", "blue"))
    assert first.tobytes() != second.tobytes()
    a, b = pictures(3)[0], pictures(4)[0]
    assert a.digest != b.digest


def test_errors_are_of_the_tree() -> None:
    assert issubclass(LlmUnavailableError, AlrefError)
