"""The command line: parse, call, print. Everything heavy is imported inside the commands."""

from __future__ import annotations

import io
import os
import signal
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alref_agent._version import __version__
from alref_agent.errors import AlrefError, ConfigError

if TYPE_CHECKING:
    from alref_agent.config import Config
    from alref_agent.run import Run

app = typer.Typer(
    help="Masks for every object that a sentence names in a video.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Settings and profiles.", no_args_is_help=True)
tools_app = typer.Typer(help="The typed tools, one by one.", no_args_is_help=True)
app.add_typer(config_app, name="config")
app.add_typer(tools_app, name="tools")

INTERRUPTED = 130

Profile = Annotated[
    str | None, typer.Option(help="Where the settings start from; see `config profiles`.")
]
ConfigFile = Annotated[str | None, typer.Option("--config", help="A YAML file of settings.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One setting; see `config show`. Repeatable."),
]
Llm = Annotated[str | None, typer.Option(help="Who reasons: none. Sets llm.model.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps. Sets device.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a run that is there.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print the content of result.json and nothing else.")
]
Start = Annotated[str | None, typer.Option(help="First frame (30) or time (1.5s).")]
End = Annotated[str | None, typer.Option(help="Frame or time before which to stop.")]
Every = Annotated[int, typer.Option(help="Take every so many frames.")]


@app.command()
def segment(
    video: Annotated[str, typer.Argument(help="A video file or a folder of images.")],
    text: Annotated[
        list[str] | None,
        typer.Option(metavar="EXPRESSION", help='What to segment: "the dog". Repeatable.'),
    ] = None,
    profile: Profile = None,
    config: ConfigFile = None,
    settings: Settings = None,
    llm: Llm = None,
    device: Device = None,
    out: Annotated[
        str | None, typer.Option(help="The run folder; default: runs/NAME-OF-THE-VIDEO.")
    ] = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    start: Start = None,
    end: End = None,
    every: Every = 1,
    as_json: Json = False,
) -> None:
    """Segment what the expressions name, in every frame of a video.

    Writes masks/ (palette PNG), masks.json (COCO RLE), overlay.mp4 and, last, result.json.
    """
    from alref_agent.console import ProgressBars
    from alref_agent.pipeline import segment as run_segment

    run = run_segment(
        video,
        text=text or [],
        config=_config(profile, config, settings, llm, device),
        out=out,
        resume=resume,
        overwrite=overwrite,
        start=start,
        end=end,
        every=every,
        progress=ProgressBars(),
    )
    _show(run, as_json)


@app.command()
def replay(
    result: Annotated[str, typer.Argument(help="The result.json of an earlier run.")],
    out: Annotated[str, typer.Option(help="The run folder.")],
    resume: Resume = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Do a run again from its result.json.

    Same video, expressions and settings; it gives the same masks.
    """
    from alref_agent.console import ProgressBars
    from alref_agent.pipeline import replay as run_replay

    run = run_replay(result, out=out, resume=resume, overwrite=overwrite, progress=ProgressBars())
    _show(run, as_json)


@app.command()
def doctor() -> None:
    """What is installed, and which profiles work.

    Says what to do for those that do not.
    """
    from alref_agent.doctor import examine

    report = examine()
    for line in report.lines():
        typer.echo(line)


@config_app.command("show")
def config_show(
    profile: Profile = None,
    config: ConfigFile = None,
    settings: Settings = None,
    llm: Llm = None,
    device: Device = None,
) -> None:
    """Print all settings as YAML, as a run with these options would use them."""
    import yaml

    chosen = _config(profile, config, settings, llm, device)
    typer.echo(yaml.safe_dump(chosen.model_dump(mode="json"), sort_keys=False), nl=False)


@config_app.command("profiles")
def config_profiles() -> None:
    """Print the profiles."""
    from alref_agent.config import DEFAULT_PROFILE, profiles

    for name, summary in profiles().items():
        default = " (default)" if name == DEFAULT_PROFILE else ""
        typer.echo(f"{name}{default}: {summary}")


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

    chosen = _config(profile, config, settings, None, device)
    folder = Path(workspace)
    result = run_tool(name, _json_object(args), folder, video, chosen, ProgressBars())
    typer.echo(result.model_dump_json(indent=2))


@app.command()
def mcp(
    workspace: Annotated[str, typer.Option(help="A run folder; made where there is none.")],
    video: Annotated[
        str | None, typer.Option(help="The video, the first time that the folder is used.")
    ] = None,
    profile: Profile = None,
    config: ConfigFile = None,
    settings: Settings = None,
    device: Device = None,
) -> None:
    """Offer the tools to an MCP client, on standard input and output."""
    from alref_agent.workbench import serve_tools

    serve_tools(Path(workspace), video, _config(profile, config, settings, None, device))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it and end.")
    ] = False,
) -> None:
    """Masks for every object that a sentence names in a video."""


def main() -> None:
    """Run the command line; every expected error is one line and an exit status."""
    from typer.exceptions import Abort, TyperException

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may know fewer letters than we
            stream.reconfigure(errors="backslashreplace")
    # Pillow's word to those who open pictures of strangers; ours are as large as they are.
    warnings.filterwarnings("ignore", message="Image size")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status = app(standalone_mode=False)
        sys.stdout.flush()
    except AlrefError as error:
        _fail(str(error), error.exit_status)
    except TyperException as error:
        _fail(error.format_message() or "Wrong usage; see --help.", 2)
    except (KeyboardInterrupt, Abort):
        status = INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone: nothing to say to it
        _close_output()
        sys.exit(1)
    except OSError as error:
        _close_output()
        where = error.filename or "the output"
        _fail(f"{where} cannot be used: {error.strerror or error}.", 2)
    if status == INTERRUPTED:
        _fail("Interrupted; with --resume (not --overwrite) a run goes on.", INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)


def _close_output() -> None:
    """Drop what cannot be written, which Python would try again at exit."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, status: int) -> None:
    typer.echo(f"error: {' '.join(message.split())}", err=True)
    sys.exit(status)


def _config(
    profile: str | None,
    file: str | None,
    settings: list[str] | None,
    llm: str | None,
    device: str | None,
) -> Config:
    from alref_agent.config import load_config

    lines = list(settings or [])
    # The options are short for settings, and come last because they were typed for this.
    lines += [f"llm.model={llm}"] if llm is not None else []
    lines += [f"device={device}"] if device is not None else []
    return load_config(profile, None if file is None else Path(file), lines)


def _toolbox() -> Any:
    from alref_agent.tools.assembly import toolbox
    from alref_agent.config import Config

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


def _show(run: Run, as_json: bool) -> None:
    if as_json:
        typer.echo((run.folder / "result.json").read_bytes(), nl=False)
    else:
        from alref_agent.console import show_run

        show_run(run)
    if run.result.exit_status:
        raise typer.Exit(run.result.exit_status)
