"""`alref-agent models …`: the weights of detectors and segmenters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alref_agent.cli.options import ConfigFile, Profile, Settings, load

if TYPE_CHECKING:
    from alref_agent.weights.catalogue import Published

models_app = typer.Typer(help="The weights of detectors and segmenters.", no_args_is_help=True)

_NAME = "A hub id (with @REVISION), or the name of an original checkpoint; see `models list`."
_HEADINGS = ("id", "backend", "MB", "licence", "here", "profiles")


@models_app.command("list")
def models_list(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all that is known, as JSON and nothing else.")
    ] = False,
) -> None:
    """Print the published models that the backends were made for, and what else was pulled.

    Others of the same kinds can be used as well; --json and docs/models.md have their quality.
    """
    import json

    from alref_agent.weights.catalogue import catalogue
    from alref_agent.weights.chosen import users

    profiles = users()
    facts = [_facts(known, profiles.get(known.id, [])) for known in catalogue().values()]
    facts += _strangers()
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
        return
    rows = [_HEADINGS]
    for fact in facts:
        commit = fact["commit"]
        here = f"pulled {commit[:7]}" if commit else "yes" if fact["path"] else "-"
        size = str(fact["megabytes"] or "-")
        licence = fact["licence"] if fact["known"] else "not known here"
        cells = (fact["id"], fact["backend"] or "-", size, licence, here)
        rows.append((*cells, ", ".join(fact["profiles"]) or "-"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADINGS))]
    for row in rows:
        aligned = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(aligned).rstrip())


@models_app.command("pull")
def models_pull(
    names: Annotated[list[str] | None, typer.Argument(metavar="ID", help=_NAME)] = None,
    revision: Annotated[
        str | None,
        typer.Option(help="A branch, tag or commit; default: the known commit, else the newest."),
    ] = None,
    profile: Profile = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Get models, and compare their sha256 with what the hub announced.

    With --profile, --config or --set all that the settings name. What is here is not fetched
    again. Afterwards it works with HF_HUB_OFFLINE=1.
    """
    from alref_agent.errors import ConfigError

    with _hub():
        from alref_agent.weights.inspection import useless
        from alref_agent.weights.pull import pull
        from alref_agent.weights.whereabouts import read_name
    wanted = list(names or [])
    if revision is not None and len(wanted) != 1:
        raise ConfigError("--revision goes with one ID; else write ID@REVISION.")
    if profile or config or settings:
        wanted += _named(profile, config, settings)
    elif not wanted:
        raise ConfigError("Name what to pull: an ID of `models list`, or --profile paper.")
    if not wanted:
        typer.echo("These settings name no model that is pulled.")
    for name in dict.fromkeys(wanted):
        if name not in (names or []) and read_name(name).local is not None:
            typer.echo(f"{name}: is a folder or file on this machine.")
            continue
        done = pull(name, revision)
        size = sum(file.size for file in done.files.values()) / 1e6
        count = f"{len(done.files)} {'file' if len(done.files) == 1 else 'files'}"
        told = any(file.announced for file in done.files.values())
        compared = "sha256 as announced" if told else "the hub announced no sha256"
        if kind := useless(done.folder):
            compared += f"; it is of the kind {kind}, which no backend takes"
        typer.echo(f"{done.called}: {count}, {size:,.1f} MB, {compared}: {done.folder}")


@models_app.command("check")
def models_check(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="ID_OR_FOLDER", help="Default: all pulled ones.")
    ] = None,
    profile: Profile = None,
    config: ConfigFile = None,
    settings: Settings = None,
) -> None:
    """Are models on this machine whole, and as they were pulled?

    Looks at every pulled model, and at those that the settings name, unless some are given. Asks
    no hub. The exit status is 1 where something is wrong.
    """
    from alref_agent.report.words import seen

    with _hub():
        from alref_agent.weights.inspection import inspect, inspect_all
    if names:
        findings = [inspect(name) for name in names]
    else:
        findings = inspect_all(_named(profile, config, settings))
    for finding in findings:
        typer.echo(seen(finding.line))
    if not findings:
        typer.echo("Nothing was pulled, and the settings name no model.")
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


@models_app.command("path")
def models_path(name: Annotated[str, typer.Argument(metavar="ID", help=_NAME)]) -> None:
    """Print where a model lies: its folder, or the file of an original checkpoint."""
    from alref_agent.errors import ModelError

    with _hub():
        from alref_agent.weights.whereabouts import find, in_part, not_here, read_name
    known = read_name(name)
    place = find(known)
    if place is None:
        raise ModelError(not_here(known))
    if missing := in_part(place):
        what = f"{name} is on this machine only in part: {missing} is missing"
        raise ModelError(f"{what}: {'get it again' if known.local else known.pull_command}.")
    typer.echo(place.path)


def _facts(known: Published, profiles: list[str]) -> dict[str, Any]:
    place = None
    try:
        from alref_agent.weights.whereabouts import find, in_part
    except ModuleNotFoundError as error:  # without the hub's client nothing is here
        if error.name != "huggingface_hub":
            raise
    else:
        place = find(known.id)
        if place is not None and in_part(place):
            place = None
    return known.model_dump() | {
        "known": True,
        "repository": known.place,
        "profiles": profiles,
        "path": str(place.path) if place else None,
        "commit": place.pull.commit if place and place.pull else None,
    }


def _strangers() -> list[dict[str, Any]]:
    """The same of models that were pulled and that nobody told this version of."""
    try:
        from alref_agent.weights.inspection import kind_of
        from alref_agent.weights.manifest import pull_of, pulls
    except ModuleNotFoundError as error:
        if error.name != "huggingface_hub":
            raise
        return []
    from alref_agent.weights.catalogue import Published, backend_of, catalogue

    nothing = dict.fromkeys(Published.model_fields)
    facts = []
    for model in dict.fromkeys(pull.id for pull in pulls() if pull.id not in catalogue()):
        pull = pull_of(model, None)
        if pull is not None and pull.whole:
            facts.append(
                nothing
                | {
                    "known": False,
                    "id": model,
                    "backend": backend_of(kind_of(pull.folder)),
                    "repository": pull.repository,
                    "megabytes": round(sum(file.size for file in pull.files.values()) / 1e6),
                    "profiles": [],
                    "path": str(pull.folder),
                    "commit": pull.commit,
                }
            )
    return facts


def _named(profile: str | None, config: str | None, settings: list[str] | None) -> list[str]:
    from alref_agent.weights.chosen import named

    return named(load(profile, config, settings))


@contextmanager
def _hub() -> Iterator[None]:
    """One line where the hub's client is not installed."""
    from alref_agent.errors import MissingPackageError

    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "huggingface_hub":
            raise
        raise MissingPackageError(
            "`models` needs the package 'huggingface_hub', which is not installed: "
            "pip install 'alref-agent[models]'"
        ) from error
