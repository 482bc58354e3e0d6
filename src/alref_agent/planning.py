"""What a run would send to the LLM, and cost, found out without sending anything."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from alref_agent import build
from alref_agent.agent.gpt_ps import GptPs
from alref_agent.agent.questions import BOX, FRAME
from alref_agent.agent.strategy import Plans
from alref_agent.config import Config
from alref_agent.errors import ConfigError
from alref_agent.media.atomic import whole_file
from alref_agent.media.video import open_video
from alref_agent.pipeline import expressions
from alref_agent.prompts.library import PromptLibrary
from alref_agent.prompts.prompt import Prompt
from alref_agent.providers.assembly import llm
from alref_agent.providers.budget import Budget
from alref_agent.providers.exchange import Exchange
from alref_agent.providers.llm import Llm
from alref_agent.providers.messages import Picture, Sampling
from alref_agent.providers.policy import Policy, Sender
from alref_agent.providers.prices import Prices, count_tokens
from alref_agent.providers.scripted import Scripted
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


@dataclass(frozen=True)
class Preview:
    """One request as a run would send it."""

    system: str
    text: str
    pictures: list[Picture]


def preview(
    prompt: Prompt, source: str | Path, text: str, config: Config, window: int = 1
) -> Preview:
    """What a prompt looks like when it is sent.

    Args:
        prompt: Of the step `pivot-frame` or `pivot-box`.
        source: The video.
        text: The expression.
        config: Which frames, which layout, which detector.
        window: Which window of frames, from 1.

    Raises:
        InputError: What a run itself would refuse; a prompt of another step.
    """
    if prompt.step not in (FRAME, BOX):
        raise ConfigError(f"{prompt.id} is not sent with frames of a video: see `prompts show`.")
    (reference,) = expressions(text)
    video = open_video(source)
    nobody = Scripted([])
    prices = Prices({})
    exchange = Exchange(nobody, Sender(nobody, Policy(), Budget(), prices), prices)
    library = PromptLibrary(config.prompts.paths, {prompt.id: prompt.source})
    chosen = {prompt.step.replace("-", "_"): prompt.version}
    prompts = config.prompts.model_copy(update=chosen)
    config = config.model_copy(update={"prompts": prompts})
    with (
        tempfile.TemporaryDirectory() as scratch,
        closing(Workspace.create(Path(scratch), video, {})) as workspace,
    ):
        strategy = GptPs(toolbox(config), Llm(exchange, Sampling(), library), config)
        question = strategy.preview(workspace, reference, prompt.step, window)
    return Preview(question.rendered.system, question.rendered.text, list(question.pictures))


def write_preview(shown: Preview, folder: Path) -> list[Path]:
    """Write a preview's text and pictures into a folder; files of the same names are replaced.

    Raises:
        OutputError: They cannot be written.
    """
    contents = {"prompt.txt": f"{shown.system}\n\n{shown.text}".strip().encode()}
    for number, picture in enumerate(shown.pictures, start=1):
        suffix = picture.mime_type.rpartition("/")[2].replace("jpeg", "jpg")
        contents[f"picture-{number}.{suffix}"] = picture.data
    for name, content in contents.items():
        with whole_file(folder / name) as path:
            path.write_bytes(content)
    return [folder / name for name in contents]


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
