"""What calls cost: a dated table of prices, and how many tokens a request has before it is sent."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

from alref_agent.errors import ConfigError
from alref_agent.providers.messages import Picture, Reply, Request
from alref_agent.strict_yaml import read_yaml

UNLIMITED = 4096
"""Tokens that a reply without a limit is expected to have at most."""
LETTERS_A_TOKEN = 3.0
"""English has about four letters a token; with three an estimate is rather too high."""
PICTURE_SIDE, TILE = 768, 512
"""OpenAI shrinks a picture's short side to 768 pixels and counts tiles of 512."""
BASE_TOKENS, TILE_TOKENS = 85, 170
"""Of a picture, and of each of its tiles, at high detail; at low detail it has the base only.
https://platform.openai.com/docs/guides/images-vision"""


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens."""

    input: float
    output: float


class Prices:
    """A table of prices, by model id; dated snapshots cost what their model costs."""

    def __init__(self, table: Mapping[str, Price], checked: date | None = None) -> None:
        self._table = dict(table)
        self.checked = checked
        """The day on which the built-in prices were looked up."""

    @classmethod
    def load(cls, file: str | Path | None = None) -> Prices:
        """The built-in table, and before it the user's.

        Args:
            file: YAML: `models: {MODEL: {input: 2.0, output: 8.0}}`, US dollars per million tokens.

        Raises:
            ConfigError: The file cannot be read, or a price is no number of at least 0.
        """
        own = read_yaml(resources.files("alref_agent.providers") / "prices.yaml")
        table = _prices(own, "prices.yaml")
        if file is not None:
            table |= _prices(read_yaml(Path(file)), str(file))
        return cls(table, own["checked"])

    def of(self, model: str) -> Price | None:
        """The price of a model, None where it is unknown."""
        if model in self._table:
            return self._table[model]
        # gpt-4.1-2025-04-14 is a snapshot of gpt-4.1.
        undated = re.sub(r"-(\d{4}-\d{2}-\d{2}|\d{4,8})$", "", model)
        return self._table.get(undated)

    def cost(self, reply: Reply, asked: str) -> float | None:
        """US dollars of a reply; None where its price or its tokens are unknown.

        Args:
            reply: Says which model answered.
            asked: The model that was asked, whose price counts where that one has none.
        """
        price = self.of(reply.model) or self.of(asked)
        if price is None or reply.input_tokens is None or reply.output_tokens is None:
            return None
        return (reply.input_tokens * price.input + reply.output_tokens * price.output) / 1e6

    def at_most(
        self, model: str, request: Request, output_tokens: int | None = None
    ) -> float | None:
        """US dollars that a request may cost, before it is sent; None where that is unknown.

        Args:
            model: Who is asked.
            request: What is asked.
            output_tokens: Of the reply; None: as many as the request allows.
        """
        price = self.of(model)
        if price is None:
            return None
        longest = (
            output_tokens if output_tokens is not None else request.sampling.max_tokens or 4096
        )
        return (count_tokens(request) * price.input + longest * price.output) / 1e6


def count_tokens(request: Request) -> int:
    """About how many tokens a request has, pictures included; rather too many than too few."""
    letters = len(str(request.schema or "")) + sum(len(str(tool)) for tool in request.tools)
    letters += sum(
        len(part) + 12 for m in request.messages for part in m.parts if isinstance(part, str)
    )
    pictures = sum(picture_tokens(picture, request.sampling.detail) for picture in request.pictures)
    return math.ceil(letters / LETTERS_A_TOKEN) + pictures


def picture_tokens(picture: Picture, detail: str) -> int:
    """Tokens of a picture as OpenAI's GPT-4 models count them."""
    if detail == "low":
        return BASE_TOKENS
    height, width = picture.size
    scale = min(1.0, 2048 / max(height, width, 1), PICTURE_SIDE / max(min(height, width), 1))
    tiles = math.ceil(height * scale / TILE) * math.ceil(width * scale / TILE)
    return BASE_TOKENS + TILE_TOKENS * max(1, tiles)


def _prices(content: Any, name: str) -> dict[str, Price]:
    try:
        table = {
            str(model): Price(float(price["input"]), float(price["output"]))
            for model, price in content["models"].items()
        }
        if not all(
            p.input >= 0 <= p.output and math.isfinite(p.input + p.output) for p in table.values()
        ):
            raise ValueError
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{name}: prices are lines `MODEL: {{input: 2.0, output: 8.0}}` under `models:`, in US "
            "dollars per million tokens."
        ) from error
    return table
