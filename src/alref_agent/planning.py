"""What a run would send to the LLM and cost, found out without sending anything."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from alref_agent import build
from alref_agent.agent.strategy import Plans
from alref_agent.config import Config
from alref_agent.errors import ConfigError
from alref_agent.media.video import open_video
from alref_agent.pipeline import expressions
from alref_agent.providers.assembly import llm
from alref_agent.providers.prices import Prices, count_tokens
from alref_agent.tools.assembly import toolbox
from alref_agent.workspace import Workspace

TYPICAL_REPLY = 400
"""Tokens of a reply that reasons in some sentences, as the prompts ask for."""


@dataclass(frozen=True)
class Plan:
    """What a run would send at most, repair turns apart."""

    asked: str
    """Who would be asked."""
    calls: int
    known: int
    """Of the calls: those whose replies are there already."""
    input_tokens: int
    """Of the calls that would be made; an estimate."""
    output_tokens: int
    """The same, at `TYPICAL_REPLY` a reply."""
    cost: float | None
    """US dollars; None: no price is known."""
    prices_of: str
    """The day of the prices."""


def plan(
    source: str | Path,
    text: str | Sequence[str],
    config: Config,
    *,
    start: int | str | None = None,
    end: int | str | None = None,
    every: int = 1,
) -> Plan:
    """What a run would send; see `pipeline.segment` for the arguments. Nothing is written.

    Raises:
        InputError: What the run itself would refuse.
    """
    references = expressions(text)
    build.check(config)
    if not build.asks_llm(config):
        raise ConfigError("--dry-run prices what is sent to an LLM, and these settings ask none.")
    video = open_video(source, start=start, end=end, every=every)
    asked = llm(config, lenient=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        closing(Workspace.create(Path(scratch), video, {})) as workspace,
    ):
        strategy = build.strategy(config, toolbox(config), asked)
        if not isinstance(strategy, Plans):
            raise ConfigError(
                f"What the strategy {build.strategy_name(config)!r} sends depends on the LLM: "
                "limit it with --max-calls or --max-cost."
            )
        planned = strategy.plan(workspace, references)
    prices = Prices.load(config.llm.prices)
    calls = known = tokens = 0
    cost: float | None = 0.0
    for step, request in planned:
        exchange = asked.exchange(step)
        calls += 1
        if exchange.known(request):
            known += 1
            continue
        tokens += count_tokens(request)
        one = prices.at_most(exchange.provider.model, request, TYPICAL_REPLY)
        cost = None if cost is None or one is None else cost + one
    steps = dict.fromkeys(asked.exchange(step).asked for step, _ in planned)
    return Plan(
        asked=", ".join(steps),
        calls=calls,
        known=known,
        input_tokens=tokens,
        output_tokens=TYPICAL_REPLY * (calls - known),
        cost=None if cost is None else round(cost, 4),
        prices_of=str(prices.checked),
    )
