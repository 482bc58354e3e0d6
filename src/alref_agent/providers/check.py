"""One tiny question with a picture: does an LLM answer, and does it see?"""

from __future__ import annotations

import hashlib
import io
import re
import secrets
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont
from pydantic import BaseModel

from alref_agent.errors import LlmError, ReplyError
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
    if provider.sees:
        parts: tuple[str | Picture, ...] = (
            _picture(number),
            "Which number does the picture show? Answer with the number alone.",
        )
    else:
        parts = (f"Answer with this number alone: {number}",)
    request = Request((Message("user", parts),), Sampling(max_tokens=1024))
    reply = llm.say(request, "check").reply
    try:
        said = read(reply, _said).text
    except ReplyError as error:
        said = ""
        outcome = f"its reply cannot be used: {error}"
    right = number in re.findall(r"\d+", said)
    sees = provider.sees and right
    if said:
        shown = " ".join(said.split())
        shown = shown if len(shown) <= 60 else shown[:60] + "…"
        if not provider.sees:
            outcome = f"answers ({shown!r}); takes no pictures"
        elif sees:
            outcome = f"answers and sees: it read {number} in the picture"
        else:
            outcome = f"answers, and does not see: the picture shows {number}, it said {shown!r}"
    tokens = f", {reply.input_tokens} + {reply.output_tokens} tokens" if reply.input_tokens else ""
    line = f"{exchange.asked} (answered by {reply.model}) {outcome}. {reply.seconds:.1f} s{tokens}"
    return Check(exchange.asked, reply, sees, line)


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
