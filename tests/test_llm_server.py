"""The servers that other tests talk to, seen through the client libraries that users have."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from alref_agent.media.sheet import encoded_sheets
from alref_agent.media.sheet_layout import Layout
from alref_agent.types import Frame
from llm_server import Seen, boxes, frame, serve
from llm_server.clients import (
    APIS,
    KEY,
    WHICH_BOX,
    WHICH_FRAME,
    chat,
    encode_png,
    raises,
    user,
)
from llm_server.server import ApiName


def scene(side: int) -> Frame:
    """A frame with a square marker of that side."""
    picture = np.full((180, 320, 3), 120, np.uint8)
    picture[:, :, 0] += np.arange(320, dtype=np.uint8)[None] // 4
    picture[90 : 90 + side, 200 : 200 + side] = (0, 0, 255)
    return picture


def sheet(
    layout: Layout = "vertical", best: int = 3, boxed: bool = False
) -> list[tuple[bytes, str]]:
    """Five frames, the marker largest on the `best`; there 3 boxes, the marker in the second."""
    frames = [scene(40 if n == best else 15) for n in range(1, 6)]
    drawn = np.array([[20, 30, 120, 110], [180, 70, 260, 150], [60, 80, 180, 170]], np.float32)
    made = encoded_sheets(frames, layout=layout, boxes={best: drawn} if boxed else None)
    return [(s.data, s.mime_type) for s in made]


@pytest.mark.parametrize("layout", ["vertical", "horizontal", "grid", "separate"])
@pytest.mark.parametrize("api", APIS)
def test_the_marker_is_found_in_the_pixels(api: ApiName, layout: Layout) -> None:
    with serve(api) as server:
        client = chat(api, server.url)
        for best in (2, 5):
            reply = client.invoke(user(WHICH_FRAME, sheet(layout, best)))
            assert reply.text.endswith(f"[{best}]")
        reply = client.invoke(user(WHICH_BOX, sheet(layout, 3, boxed=True)))
        assert "green, magenta, orange" in reply.text
        assert reply.text.endswith("[2]")
        empty = [encode_png(np.full((90, 90, 3), 200, np.uint8))]
        assert client.invoke(user(WHICH_FRAME, empty)).text.endswith("[-1]")
        assert client.invoke(user(WHICH_BOX, empty)).text.endswith("[-1]")


@pytest.mark.parametrize(
    ("mind", "frames", "boxed"),
    [
        ("colour:orange", "[1]", "[3]"),
        ("colour:red", "[1]", "[-1]"),
        ("none", "[-1]", "[-1]"),
        ("fixed:4", "[4]", "[4]"),
        ("fixed:4/1", "[4]", "[1]"),
        ("marker:255,0,0", "[-1]", "[-1]"),
        ("random:1", "[1-5]", "[1-3]"),
    ],
)
def test_minds(mind: str, frames: str, boxed: str) -> None:
    with serve("ollama", mind=mind) as server:
        client = chat("ollama", server.url)
        for question, expected in ((WHICH_FRAME, frames), (WHICH_BOX, boxed)):
            asked = user(question, sheet(boxed=question == WHICH_BOX))
            text = client.invoke(asked).text
            pattern = expected.strip("[]") if mind.startswith("random") else None
            end = rf"\[[{pattern}]\]$" if pattern else re.escape(expected) + "$"
            assert re.search(end, text)
            assert client.invoke(asked).text == text, "the same again"


def test_a_mind_of_the_tests_own() -> None:
    def oracle(seen: Seen) -> Any:
        return frame(len(seen.pictures)) if seen.step == "pivot-frame" else boxes(1, 3)

    with serve(mind=oracle) as server:
        client = chat("openai", server.url)
        assert client.invoke(user(WHICH_FRAME, sheet("separate"))).text.endswith("[5]")
        assert client.invoke(user(WHICH_BOX)).text.endswith("[1, 3]")


@pytest.mark.parametrize("api", APIS)
def test_numbers_are_read(api: ApiName) -> None:
    image = Image.new("RGB", (256, 256), (250, 250, 240))
    font = ImageFont.load_default(100)
    ImageDraw.Draw(image).text((128, 128), "486", fill=(20, 20, 120), font=font, anchor="mm")
    asked = user("Which number is it?", [encode_png(np.asarray(image))])
    with serve(api) as server:
        assert chat(api, server.url).invoke(asked).text == "486"
    with serve(api, blind=True) as server:
        if api == "openai":
            with raises("BadRequestError"):
                chat(api, server.url).invoke(asked)
        else:
            assert "no picture" in chat(api, server.url).invoke(asked).text


FAULTS = {
    "400": ("BadRequestError", "ResponseError"),
    "401": ("AuthenticationError", "ResponseError"),
    "403": ("PermissionDeniedError", "ResponseError"),
    "404": ("NotFoundError", "ResponseError"),
    "408": ("APIStatusError", "ResponseError"),
    "409": ("ConflictError", "ResponseError"),
    "429": ("RateLimitError", "ResponseError"),
    "429:7": ("RateLimitError", "ResponseError"),
    "429:date:7": ("RateLimitError", "ResponseError"),
    "429:unsaid": ("RateLimitError", "ResponseError"),
    "500": ("InternalServerError", "ResponseError"),
    "502html": ("InternalServerError", "ResponseError"),
    "503:7": ("InternalServerError", "ResponseError"),
    "529": ("InternalServerError", "ResponseError"),
    "error200": ("ValueError", "ResponseError"),
    "stall:0.6": ("APITimeoutError", "ReadTimeout"),
    "cut": ("APIConnectionError", "RemoteProtocolError"),
    "reset": ("APIConnectionError", "ReadError"),
}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults(api: ApiName, fault: str) -> None:
    with serve(api, mind="fixed:3", script=[fault]) as server:
        client = chat(api, server.url, timeout=0.3 if fault.startswith("stall") else 5.0)
        with pytest.raises(Exception) as caught:
            client.invoke(WHICH_FRAME)
        error = caught.value
        names = [kind.__name__ for kind in type(error).__mro__]
        assert FAULTS[fault][APIS.index(api)] in names, repr(error)
        if fault == "401" and api == "openai":
            assert KEY in str(error), "some servers echo it"
        if fault == "429" and api == "openai":
            assert error.code == "insufficient_quota"  # type: ignore[attr-defined]
        if fault == "404" and api == "ollama":
            assert 'model "llava" not found, try pulling it first' in str(error)
        # Ollama's client has it only in what its error comes from.
        answer = getattr(error if api == "openai" else error.__context__, "response", None)
        after = answer.headers.get("retry-after") if answer is not None else None
        assert (after is not None) == fault.endswith(":7")
        well = chat(api, server.url).invoke(WHICH_FRAME)
        assert well.text.endswith("[3]"), "and from then on all is well"
        assert server.n_calls == 2


@pytest.mark.parametrize("api", APIS)
def test_a_slow_answer_and_an_unfinished_one(api: ApiName) -> None:
    with serve(api, mind="fixed:3", script=["slow:1.2", "unfinished"]) as server:
        started = time.perf_counter()
        client = chat(api, server.url, timeout=0.8)
        assert client.invoke(WHICH_FRAME).text.endswith("[3]"), "each piece came in time"
        assert time.perf_counter() - started > 1.0
        if api == "openai":
            with raises("JSONDecodeError"):
                client.invoke(WHICH_FRAME)
        else:
            reply = client.invoke(WHICH_FRAME)
            assert "[3]" not in reply.text
            assert "done" not in reply.response_metadata, "all that tells it from a whole one"


def test_faults_by_what_is_asked() -> None:
    def script(received: Any) -> str:
        return "500" if "second" in json.dumps(received.body["messages"]) else "ok"

    with serve(mind="fixed:3", script=script) as server:
        client = chat("openai", server.url)
        client.invoke("the first frame")
        with raises("InternalServerError"):
            client.invoke("the second frame")
        client.invoke("the third frame")


def test_usage_and_the_model_that_answered() -> None:
    with serve() as server:
        reply = chat("openai", server.url).invoke(user(WHICH_FRAME, sheet()))
        assert reply.response_metadata["model_name"] == "gpt-4.1-2026-01-01"
        assert reply.usage_metadata["input_tokens"] > 85
        [received] = server.requests
        assert received.headers["authorization"] == f"Bearer {KEY}"
        assert received.body["model"] == "gpt-4.1"
        assert received.seen is not None
        assert received.seen.step == "pivot-frame"
        assert received.seen.pictures[0].shape[2] == 3
    with serve("ollama") as server:
        client = chat("ollama", server.url, temperature=0.5, seed=3)
        reply = client.invoke(user(WHICH_FRAME, sheet()))
        assert reply.response_metadata["model"] == "llava"
        assert reply.usage_metadata["input_tokens"] > 85
        options = server.requests[0].body["options"]
        assert options == {"temperature": 0.5, "seed": 3}
