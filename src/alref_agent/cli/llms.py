"""`alref-agent llms …`: who can be asked, and whether one answers and sees."""

from __future__ import annotations

from typing import Annotated

import typer

from alref_agent.cli.options import BaseUrl, ConfigFile, Device, Profile, Settings, load

llms_app = typer.Typer(help="Who can be asked to reason.", no_args_is_help=True)


@llms_app.command("list")
def llms_list() -> None:
    """Print what --llm takes.

    The aliases, what they stand for today and what that costs, and the other forms.
    """
    from alref_agent import registry
    from alref_agent.providers.names import aliases
    from alref_agent.providers.prices import Prices

    prices = Prices.load()
    rows = [("alias", "asks", "until", "USD per million tokens, in / out")]
    for name, (model, until) in aliases().items():
        price = prices.of(model.partition(":")[2])
        cost = f"{price.input:.2f} / {price.output:.2f}" if price else "-"
        rows.append((name, model, str(until or "-"), cost))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())
    typer.echo(f"Prices as of {prices.checked}; llm.prices names a file of your own.\n")
    about = {
        "openai": ("MODEL", "OpenAI, or with --llm-base-url any server that speaks its API"),
        "ollama": ("MODEL", "an Ollama server: --llm-base-url, OLLAMA_HOST or this machine"),
        "hf": ("MODEL", "in this process: a hub id, a folder or a .gguf file"),
        "replay": ("RUN", "the replies of an earlier run, by its folder"),
        "scripted": ("FILE", "replies from a YAML file"),
    }
    for kind in registry.names("provider"):
        what, meaning = about.get(kind, ("MODEL", f"from {registry.origin('provider', kind)}"))
        typer.echo(f"{f'{kind}:{what}':16}{meaning}")
    typer.echo(f"{'PROVIDER:MODEL':16}what LangChain's init_chat_model takes, as anthropic:MODEL")
    best = "the best box track is taken, with the profile paper the best box of frame 0"
    typer.echo(f"{'none':16}nobody: {best}")


@llms_app.command("check")
def llms_check(
    name: Annotated[str, typer.Argument(help="As --llm takes it.")],
    llm_base_url: BaseUrl = None,
    profile: Profile = None,
    config: ConfigFile = None,
    settings: Settings = None,
    device: Device = None,
) -> None:
    """Ask one tiny question: does it answer and see?

    The exit status is 1 where it answers and does not see.
    """
    from alref_agent.providers.assembly import llm
    from alref_agent.providers.check import check
    from alref_agent.report.words import seen

    short = {"llm.model": name, "llm.base_url": llm_base_url, "device": device}
    chosen = load(profile, config, settings, short | {"llm.cache": "false"})
    report = check(llm(chosen))
    typer.echo(seen(report.line))
    if not report.sees:
        typer.echo(
            "It can be used with prompts in words: --set prompts.pivot_frame=text-v1 "
            "--set prompts.pivot_box=text-v1"
        )
        raise typer.Exit(1)
