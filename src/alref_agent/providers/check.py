"""One tiny question with a picture: does an LLM answer, and does it see?"""

from __future__ import annotations

import hashlib
import io
import re
import secrets
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont
from pydantic import BaseModel

from alref_agent.errors import LlmError, LlmUnavailableError, ReplyError, RequestRefusedError
from alref_agent.providers.llm import Llm, read
from alref_agent.providers.messages import Message, Picture, Reply, Request, Sampling

SIDE = 256
"""Pixels of the picture."""


@dataclass(frozen=True)
class Check:
    """What an LLM did with the question."""

    asked: str
    reply: Reply
    sees: bool
    line: str
    """All of it in one line."""


def check(llm: Llm) -> Check:
    """Ask which number a picture shows; a number that nobody can guess.

    Raises:
        LlmError, LlmUnavailableError: It does not answer.
    """
    exchange = llm.exchange("check")
    provider = exchange.provider
    if provider.replays:
        raise LlmError(f"{exchange.asked} only repeats what was said: there is nothing to check.")
    number = str(100 + secrets.randbelow(900))
    question = "Which number does the picture show? Answer with the number alone."
    in_words = f"Answer with this number alone: {number}"
    shown = provider.sees
    if not shown:
        reply = _said_to(llm, in_words)
    else:
        try:
            reply = _said_to(llm, _picture(number), question)
        except RequestRefusedError as error:
            # Some servers refuse pictures: what answers words has nothing else in its way.
            try:
                reply = _said_to(llm, in_words)
            except (LlmError, LlmUnavailableError):
                raise error from None
            shown = False
    try:
        said = read(reply, _said).text
    except ReplyError as error:
        said = ""
        outcome = f"its reply cannot be used: {error}"
    right = number in re.findall(r"\d+", said)
    sees = shown and right
    if said:
        words = " ".join(said.split())
        words = words if len(words) <= 60 else words[:60] + "…"
        if not shown:
            outcome = f"answers ({words!r}); takes no pictures"
        elif sees:
            outcome = f"answers and sees: it read {number} in the picture"
        else:
            outcome = f"answers, and does not see: the picture shows {number}, it said {words!r}"
    tokens = f", {reply.input_tokens} + {reply.output_tokens} tokens" if reply.input_tokens else ""
    line = f"{exchange.asked} (answered by {reply.model}) {outcome}. {reply.seconds:.1f} s{tokens}"
    return Check(exchange.asked, reply, sees, line)


def _said_to(llm: Llm, *parts: str | Picture) -> Reply:
    return llm.say(Request((Message("user", parts),), Sampling(max_tokens=1024)), "check").reply


class _Said(BaseModel):
    text: str


def _said(text: str) -> _Said:
    return _Said(text=text)


def _picture(number: str) -> Picture:
    image = Image.new("RGB", (SIDE, SIDE), (250, 250, 240))
    font = ImageFont.load_default(SIDE // 2.5)
    middle = (SIDE / 2, SIDE / 2)
    ImageDraw.Draw(image).text(middle, number, fill=(20, 20, 120), font=font, anchor="mm")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    digest = hashlib.sha256(image.tobytes()).hexdigest()[:32]
    return Picture(buffer.getvalue(), "image/png", digest, size=(SIDE, SIDE))
