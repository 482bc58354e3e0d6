"""What is installed, which profiles work here, and what to do for the others."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from alref_agent import registry
from alref_agent._version import __version__
from alref_agent.build import check
from alref_agent.config import Config, load_config, profiles
from alref_agent.errors import AlrefError
from alref_agent.packages import versions


@dataclass(frozen=True)
class Report:
    """What was found."""

    packages: dict[str, str]
    """Package -> version."""
    profiles: dict[str, str | None]
    """Profile -> None where it works, else what to do."""
    plug_ins: dict[str, str]
    """`kind name` -> package, for what other packages add; or why it cannot be loaded."""
    models: dict[str, str]
    """Model that a profile names -> whether it is on this machine, else what gets it."""

    def lines(self) -> list[str]:
        """The report for a terminal, a line each."""
        system = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
        lines = [f"alref-agent {__version__} on {system}"]
        lines += [f"  {name} {version}" for name, version in self.packages.items()]
        lines += [f"  plug-in: {name} from {owner}" for name, owner in self.plug_ins.items()]
        for name, problem in self.profiles.items():
            state = "works" if problem is None else f"does not work: {problem}"
            lines.append(f"profile {name}: {state}")
        lines += [f"model {name}: {state}" for name, state in self.models.items()]
        return lines


def examine() -> Report:
    """Look at what is installed, without loading a model."""
    plug_ins = {
        f"{kind} {name}": _state(kind, name)
        for kind in registry.BUILT_IN
        for name in registry.names(kind)
        if registry.origin(kind, name) != "built-in"
    }
    found = {name: problem(load_config(name, environment={})) for name in profiles()}
    return Report(versions(), found, plug_ins, models())


def models() -> dict[str, str]:
    """Of the models that profiles name: whether they are on this machine, else what gets them."""
    try:
        # The hub's client comes with an extra.
        from alref_agent.weights.whereabouts import find, in_part, read_name
    except ModuleNotFoundError:
        return {}
    from alref_agent.weights.chosen import users

    said = {}
    for model, named_by in users().items():
        place = find(model)
        here = place is not None and not in_part(place)
        state = "on this machine" if here else f"get it with `{read_name(model).pull_command}`"
        said[f"{model} ({', '.join(named_by)})"] = state
    return said


def _state(kind: str, name: str) -> str:
    try:
        registry.load(kind, name)
    except AlrefError as error:
        return f"{registry.origin(kind, name)}, which does not work: {error}"
    return registry.origin(kind, name)


def problem(config: Config) -> str | None:
    """What keeps these settings from working here; None where nothing does."""
    try:
        check(config)
    except AlrefError as error:
        return str(error)
    return None
