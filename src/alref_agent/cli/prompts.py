"""`alref-agent prompts …`: list, show, compare and check prompts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alref_agent.cli.options import ConfigFile, Profile, Settings, load
from alref_agent.report.words import seen

if TYPE_CHECKING:
    from alref_agent.prompts.library import PromptLibrary
    from alref_agent.prompts.prompt import Prompt

prompts_app = typer.Typer(help="The prompts that LLMs are asked with.", no_args_is_help=True)

Folders = Annotated[
    list[str] | None,
    typer.Option(
        "--path", metavar="FOLDER", help="Prompts of your own, STEP/VERSION.md each. Repeatable."
    ),
]


@prompts_app.command("list")
def prompts_list(
    path: Folders = None,
    profile: Profile = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Print every prompt: id, pictures, reply, tasks, digest, where it is from, what it is."""
    rows = [("id", "pictures", "reply", "tasks", "digest", "from", "summary")]
    for prompt in _library(path, profile, config, settings).all():
        rows.append(
            (
                prompt.id,
                prompt.pictures,
                prompt.reply,
                ", ".join(prompt.tasks),
                prompt.digest,
                seen(prompt.origin),
                seen(prompt.summary),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        _echo("  ".join(cells).rstrip())


@prompts_app.command("show")
def prompts_show(
    name: Annotated[str, typer.Argument(metavar="ID", help="pivot-box/v1, or a .md file.")],
    path: Folders = None,
    profile: Profile = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Print a prompt: what it is, what it is given, its templates."""
    prompt = _library(path, profile, config, settings).find(name)
    for line in _facts(prompt):
        _echo(line)
    for title, template in (("system", prompt.system), ("template", prompt.body)):
        if template:
            _echo(f"\n--- {title}\n{template.strip()}")


@prompts_app.command("diff")
def prompts_diff(
    a: Annotated[str, typer.Argument(metavar="A", help="pivot-box/v1, or a .md file.")],
    b: Annotated[str, typer.Argument(metavar="B", help="pivot-box/v2, or a .md file.")],
    path: Folders = None,
    profile: Profile = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Print what differs between two prompts, front matter and template."""
    import difflib

    library = _library(path, profile, config, settings)
    old, new = library.find(a), library.find(b)
    lines = difflib.unified_diff(
        old.source.splitlines(),
        new.source.splitlines(),
        f"{a} ({old.digest})",
        f"{b} ({new.digest})",
        lineterm="",
    )
    for number, line in enumerate(lines):
        # It takes the colours off where no terminal is.
        line = seen(line)
        typer.echo(typer.style(line, bold=True) if number < 2 else _coloured(line))
    if old.digest == new.digest:
        _echo(f"{a} and {b} are the same.")


@prompts_app.command("render")
def prompts_render(
    name: Annotated[str, typer.Argument(metavar="PROMPT", help="pivot-box/v1, or a .md file.")],
    video: Annotated[str, typer.Option(help="A video file or a folder of images.")],
    text: Annotated[str, typer.Option(metavar="EXPRESSION", help="What is looked for.")] = "it",
    window: Annotated[int, typer.Option(help="Which window of frames, from 1.")] = 1,
    out: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Write the text and the pictures there.")
    ] = None,
    path: Folders = None,
    profile: Profile = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Print a prompt as a run would send it for a window of a video; nothing is sent.

    A pivot-box prompt gets the boxes that the detector finds on the frame in the middle.
    """
    from alref_agent.planning import preview

    chosen = load(profile, config, settings)
    prompt = _library(path, profile, config, settings).find(name)
    shown = preview(prompt, video, text, chosen, window)
    if shown.system:
        _echo(f"--- system\n{shown.system.strip()}\n")
    for number, picture in enumerate(shown.pictures, start=1):
        height, width = picture.size
        _echo(
            f"--- picture {number}: {width} x {height}, {len(picture.data):,} bytes, "
            f"{picture.mime_type}"
        )
    _echo(f"--- text\n{shown.text.strip()}")
    if out is not None:
        from alref_agent.planning import write_preview

        _echo("\n" + "\n".join(str(file) for file in write_preview(shown, Path(out))))


@prompts_app.command("lint")
def prompts_lint(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATHS]...", help="Files or folders; default: all that are used."),
    ] = None,
    profile: Profile = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Check prompts, without asking any LLM; exit status 2 where one cannot be used."""
    from alref_agent.prompts.library import PromptFile, prompt_files
    from alref_agent.prompts.lint import lint

    if paths:
        files = []
        for path in map(Path, paths):
            files += prompt_files(path, str(path)) if path.is_dir() else [PromptFile(path, "")]
    else:
        files = _library(None, profile, config, settings).files()
    reports = lint(files)
    for report in reports:
        for finding in report.findings:
            _echo(f"{finding.level:<7}  {report.name}: {finding.message}")
        if not report.findings:
            _echo(f"{'ok':<7}  {report.name}")
    if any(finding.level == "error" for report in reports for finding in report.findings):
        raise typer.Exit(2)


def _echo(text: str) -> None:
    """Print what others may have written, with everything that cannot be seen written out."""
    typer.echo(seen(text))


def _library(
    folders: list[str] | None,
    profile: str | None,
    config: str | None,
    settings: list[str] | None,
) -> PromptLibrary:
    from alref_agent.prompts.library import PromptLibrary

    chosen = load(profile, config, settings)
    return PromptLibrary([*chosen.prompts.paths, *(folders or [])])


def _facts(prompt: Prompt) -> list[str]:
    import json

    from alref_agent.prompts.steps import STEPS

    step = STEPS[prompt.step]
    facts = {
        "id": prompt.id,
        "digest": prompt.digest,
        "from": str(prompt.path) if prompt.path else prompt.origin,
        "step": step.summary,
        "summary": prompt.summary,
        "tasks": ", ".join(prompt.tasks),
        "pictures": prompt.pictures,
        "reply": prompt.reply,
        "parent": prompt.parent or "none",
        "changes": prompt.changes or "none said",
    }
    width = max(map(len, facts))
    lines = [f"{key:<{width}}  {value}" for key, value in facts.items()]
    lines += ["", "--- inputs", *(f"{name}: {step.inputs[name]}" for name in prompt.inputs)]
    others = [name for name in step.inputs if name not in prompt.inputs]
    if others:
        lines += ["", "--- inputs that it could have besides"]
        lines += [f"{name}: {step.inputs[name]}" for name in others]
    if prompt.schema is not None:
        lines += ["", "--- schema", json.dumps(prompt.schema, indent=2, ensure_ascii=False)]
    return lines


def _coloured(line: str) -> str:
    colours = {"+": typer.colors.GREEN, "-": typer.colors.RED, "@": typer.colors.CYAN}
    return typer.style(line, fg=colours[line[0]]) if line[:1] in colours else line
