"""`alref-agent tools …`: the typed tools, one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from alref_agent.cli.options import ConfigFile, Device, Profile, Settings, load
from alref_agent.errors import ConfigError

tools_app = typer.Typer(help="The typed tools, one by one.", no_args_is_help=True)


@tools_app.command("list")
def tools_list() -> None:
    """Print every tool and what it does."""
    for tool in _toolbox():
        typer.echo(f"{tool.name}: {tool.summary}")


@tools_app.command("show")
def tools_show(name: Annotated[str, typer.Argument(help="Name of the tool.")]) -> None:
    """Print a tool's arguments and result as JSON schemas."""
    import json

    tool = _toolbox().named(name)
    typer.echo(f"{tool.name}: {tool.summary}")
    typer.echo("arguments: " + json.dumps(tool.arguments.model_json_schema(), indent=2))
    typer.echo("result: " + json.dumps(tool.result.model_json_schema(), indent=2))


@tools_app.command("run")
def tools_run(
    name: Annotated[str, typer.Argument(help="Name of the tool.")],
    workspace: Annotated[str, typer.Option(help="A run folder; made where there is none.")],
    args: Annotated[str, typer.Option(metavar="JSON", help="The tool's arguments.")] = "{}",
    video: Annotated[
        str | None, typer.Option(help="The video, the first time that the folder is used.")
    ] = None,
    profile: Profile = None,
    config: ConfigFile = None,
    settings: Settings = None,
    device: Device = None,
) -> None:
    """Run one tool and print its result as JSON. What it makes stays in the workspace."""
    from alref_agent.console import ProgressBars
    from alref_agent.workbench import run_tool

    chosen = load(profile, config, settings, {"device": device})
    folder = Path(workspace)
    result = run_tool(name, _json_object(args), folder, video, chosen, ProgressBars())
    typer.echo(result.model_dump_json(indent=2))


def _toolbox() -> Any:
    from alref_agent.config import Config
    from alref_agent.tools.assembly import toolbox

    return toolbox(Config())


def _json_object(text: str) -> dict[str, Any]:
    import json

    try:
        value = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"--args is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ConfigError("--args should be a JSON object such as '{\"step\": 5}'.")
    return value
