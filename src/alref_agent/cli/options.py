"""Options that several commands share, and the settings that they make together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from alref_agent.config import Config

Profile = Annotated[
    str | None, typer.Option(help="Where the settings start from; see `config profiles`.")
]
ConfigFile = Annotated[str | None, typer.Option("--config", help="A YAML file of settings.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One setting; see `config keys`. Repeatable."),
]
Strategy = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="gpt-ps, agent, top-track or top-box; auto: gpt-ps with an LLM, else top-track "
        "(profile paper: top-box). Sets strategy.",
    ),
]
Llm = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Who reasons: none, gpt-4, openai:MODEL, ollama:MODEL, hf:MODEL, replay:RUN; see "
        "`llms list`. Sets llm.model.",
    ),
]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--llm-base-url",
        metavar="URL",
        help="A server that speaks OpenAI's API, as http://127.0.0.1:8000/v1. Sets llm.base_url.",
    ),
]
MaxCalls = Annotated[
    str | None,
    typer.Option(metavar="N", help="Stop before more calls of the LLM. Sets llm.max_calls."),
]
MaxCost = Annotated[
    str | None,
    typer.Option(metavar="USD", help="Stop before they may cost more. Sets llm.max_cost."),
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Ask the LLM anew. Sets llm.cache to false.")
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps. Sets device.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a run that is there.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print the content of result.json and nothing else.")
]
Start = Annotated[str | None, typer.Option(help="First frame (30) or time (1.5s).")]
End = Annotated[str | None, typer.Option(help="Frame or time before which to stop.")]
Every = Annotated[int, typer.Option(help="Take every so many frames.")]


def load(
    profile: str | None,
    file: str | None,
    settings: list[str] | None,
    short: dict[str, str | None] | None = None,
) -> Config:
    """The settings that the options make.

    Args:
        profile: As typed.
        file: As typed.
        settings: As typed.
        short: Options that are short for settings: key -> value, None where it was not typed.

    Raises:
        ConfigError: See `load_config`.
    """
    from alref_agent.config import load_config

    lines = list(settings or [])
    # These come last because they were typed for this.
    lines += [f"{key}={value}" for key, value in (short or {}).items() if value is not None]
    return load_config(profile, None if file is None else Path(file), lines)
