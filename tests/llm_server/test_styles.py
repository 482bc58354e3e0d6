"""Each style, as the client libraries hand it on."""

from __future__ import annotations

import json
import re

import pytest

from alref_agent.prompts.library import PromptLibrary
from llm_server import STYLES, serve
from llm_server.clients import APIS, KEY, WHICH_FRAME, chat, raises, with_schema
from llm_server.server import ApiName
from llm_server.styles import APOLOGY, INJECTION

PROSE = {
    "plain": r"^It .* well\.\n\n\[3\]$",
    "bare": r"^3$",
    "markdown": r"^### .*\*\*\[3\]\*\*$",
    "brackets_twice": r"\[3\].*\n\[3\]$",
    "thinking": r"^<think>.*\[1\].*</think>\n\n.*\[3\]$",
    "reasoning_field": r"^It .*\[3\]$",
    "json_fence": r"```json\n\{\n  \"frame\": 3\n\}\n```$",
    "ignores_schema": r"\[3\]$",
    "wrong_type": r"\[\"three\"\]$",
    "out_of_range": r"\[99\]$",
    "several_numbers": r"\[1, 3\]$",
    "float": r"\[3\.0\]$",
    "nested": r"\[\[3\]\]$",
    "fullwidth": r"\[３\]$",
    "none_word": r"\[none\]$",
    "words": r"Frame 3 is best\.$",
    "content_filter": r"^$",
    "empty": r"^$",
    "cut_off": r"^It is a short video\.[^\[]+$",
    "echo_key": r"^You sent me .*\[3\]$",
    "injected": re.escape(INJECTION) + r".*\[3\]$",
    "huge": r"^.{200000,}\[3\]$",
    "never": r"^It is somewhere[^\[]*$",
    "repairable": r"^It is somewhere[^\[]*$",
}
"""Style -> the text that a client gets for frame 3."""
RAISED = {
    "not_utf8": ("UnicodeDecodeError", None),
    "html": ("ValueError", "JSONDecodeError"),
    "no_choices": ("TypeError", "ValidationError"),
}
"""Style -> what OpenAI's and Ollama's client raise; None: nothing."""


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("style", STYLES)
def test_styles(api: ApiName, style: str) -> None:
    raised = RAISED.get(style, (None, None))[APIS.index(api)]
    with serve(api, mind="fixed:3", style=style) as server:
        client = chat(api, server.url)
        if raised:
            with raises(raised):
                client.invoke(WHICH_FRAME)
            return
        reply = client.invoke(WHICH_FRAME)
    if style == "refusal":
        text = reply.additional_kwargs["refusal"] if api == "openai" else reply.text
        assert text == APOLOGY
    elif style == "not_utf8":
        assert "caf\ufffd" in reply.text
    else:
        assert re.search(PROSE[style], reply.text, re.DOTALL), reply.text[-300:]
    why = reply.response_metadata["finish_reason" if api == "openai" else "done_reason"]
    assert (why == "length") == (style == "cut_off")
    if style == "content_filter" and api == "openai":
        assert why == "content_filter"
    if style == "echo_key" and api == "openai":
        assert KEY in reply.text


@pytest.mark.parametrize("style", ["repairable", "never"])
def test_repair(style: str) -> None:
    with serve(mind="fixed:3", style=style) as server:
        client = chat("openai", server.url)
        first = client.invoke(WHICH_FRAME)
        turns = [("user", WHICH_FRAME), ("assistant", first.text), ("user", "That is no number.")]
        assert client.invoke(turns).text.endswith("[3]") == (style == "repairable")


@pytest.mark.parametrize("api", APIS)
def test_answers_follow_the_schema(api: ApiName) -> None:
    library = PromptLibrary()
    for step, answer in (("pivot-frame", {"frame": 2}), ("pivot-box", {"boxes": [2]})):
        schema = library.get(step, "v2").schema
        assert schema is not None
        for style in ("plain", "json_fence", "wrong_type", "ignores_schema", "cut_off"):
            with serve(api, mind="fixed:2", style=style) as server:
                client = with_schema(api, chat(api, server.url), schema)
                if style == "cut_off" and api == "openai":
                    with raises("LengthFinishReasonError"):
                        client.invoke("Which?")
                    continue
                text = client.invoke("Which?").text
            if style == "wrong_type":
                assert '"two"' in text
            elif style == "ignores_schema":
                assert text.endswith("[2]")
            elif style == "cut_off":
                with pytest.raises(json.JSONDecodeError):
                    json.loads(text)
            else:
                said = json.loads(text[text.index("{") :].removesuffix("\n```\n"))
                assert set(said) == set(schema["required"])
                assert said | answer == said
                assert 0 <= said["confidence"] <= 1
        with serve(api, mind="none") as server:
            said = json.loads(with_schema(api, chat(api, server.url), schema).invoke("Which?").text)
            assert said.get("frame") is None
            assert said.get("boxes", []) == []
