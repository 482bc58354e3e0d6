"""`alref-agent config …`: settings, what they mean, and profiles."""

from __future__ import annotations

from typing import Annotated

import typer

from alref_agent.cli.options import (
    BaseUrl,
    ConfigFile,
    Device,
    Llm,
    Profile,
    Settings,
    Strategy,
    load,
)

config_app = typer.Typer(help="Settings and profiles.", no_args_is_help=True)


@config_app.command("show")
def config_show(
    profile: Profile = None,
    config: ConfigFile = None,
    settings: Settings = None,
    strategy: Strategy = None,
    llm: Llm = None,
    llm_base_url: BaseUrl = None,
    device: Device = None,
) -> None:
    """Print all settings as YAML.

    As a run with these options would use them.
    """
    import yaml

    short = {
        "strategy": strategy,
        "llm.model": llm,
        "llm.base_url": llm_base_url,
        "device": device,
    }
    chosen = load(profile, config, settings, short)
    typer.echo(yaml.safe_dump(chosen.model_dump(mode="json"), sort_keys=False), nl=False)


@config_app.command("keys")
def config_keys(
    prefix: Annotated[str, typer.Argument(help="Only keys that start so, as gpt_ps.")] = "",
    profile: Profile = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Print what each setting means, and its value."""
    import textwrap

    import yaml

    from alref_agent.config import explained

    for key in explained(load(profile, config, settings), prefix):
        value = yaml.safe_dump(key.value, default_flow_style=True, width=1000).splitlines()[0]
        typer.echo(f"{key.name}: {value}")
        typer.echo(textwrap.indent(textwrap.fill(key.meaning, 92), "    "))


@config_app.command("profiles")
def config_profiles() -> None:
    """Print the profiles."""
    from alref_agent.config import DEFAULT_PROFILE, profiles

    for name, summary in profiles().items():
        default = " (default)" if name == DEFAULT_PROFILE else ""
        typer.echo(f"{name}{default}: {summary}")
