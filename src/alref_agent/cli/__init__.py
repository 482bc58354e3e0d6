"""The command line: parse, call, print. Everything heavy is imported inside the commands."""

from __future__ import annotations

import io
import os
import signal
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alref_agent._version import __version__
from alref_agent.cli.config import config_app
from alref_agent.cli.llms import llms_app
from alref_agent.cli.models import models_app
from alref_agent.cli.options import (
    BaseUrl,
    ConfigFile,
    Device,
    End,
    Every,
    Json,
    Llm,
    MaxCalls,
    MaxCost,
    NoCache,
    Overwrite,
    Profile,
    Resume,
    Settings,
    Start,
    Strategy,
    load,
)
from alref_agent.cli.prompts import prompts_app
from alref_agent.cli.tools import tools_app
from alref_agent.errors import AlrefError

if TYPE_CHECKING:
    from alref_agent.run import Run

app = typer.Typer(
    help="Masks for every object that a sentence names in a video.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(config_app, name="config")
app.add_typer(tools_app, name="tools")
app.add_typer(prompts_app, name="prompts")
app.add_typer(llms_app, name="llms")
app.add_typer(models_app, name="models")

INTERRUPTED = 130


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
    strategy: Strategy = None,
    llm: Llm = None,
    llm_base_url: BaseUrl = None,
    max_calls: MaxCalls = None,
    max_cost: MaxCost = None,
    no_cache: NoCache = False,
    device: Device = None,
    out: Annotated[
        str | None, typer.Option(help="The run folder; default: runs/NAME-OF-THE-VIDEO.")
    ] = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    start: Start = None,
    end: End = None,
    every: Every = 1,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would be sent and cost; send and write nothing."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Segment what the expressions name, in every frame of a video.

    Writes masks/ (palette PNG), masks.json (COCO RLE), overlay.mp4, report.html and, last,
    result.json.
    """
    from alref_agent.console import ProgressBars, show_plan
    from alref_agent.pipeline import segment as run_segment

    short = {
        "strategy": strategy,
        "llm.model": llm,
        "llm.base_url": llm_base_url,
        "llm.max_calls": max_calls,
        "llm.max_cost": max_cost,
        "llm.cache": "false" if no_cache else None,
        "device": device,
    }
    chosen = load(profile, config, settings, short)
    if dry_run:
        from alref_agent.planning import plan

        show_plan(plan(video, text or [], chosen, start=start, end=end, every=every), as_json)
        return
    run = run_segment(
        video,
        text=text or [],
        config=chosen,
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
    result: Annotated[str, typer.Argument(help="The result.json or the folder of an earlier run.")],
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

    serve_tools(Path(workspace), video, load(profile, config, settings, {"device": device}))


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
        if type(error).__name__ == "NoArgsIsHelpError":  # it says the help, which is no error
            typer.echo(error.format_message(), err=True)
            sys.exit(2)
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
    from alref_agent.report.words import seen

    typer.echo(f"error: {seen(' '.join(message.split()))}", err=True)
    sys.exit(status)


def _show(run: Run, as_json: bool) -> None:
    if as_json:
        typer.echo((run.folder / "result.json").read_bytes(), nl=False)
    else:
        from alref_agent.console import show_run

        show_run(run)
    if run.result.exit_status:
        raise typer.Exit(run.result.exit_status)
