"""Settings -> objects: the only place where names become objects."""

from __future__ import annotations

from functools import partial
from typing import Any

from alref_agent import registry
from alref_agent.agent.strategy import Strategy
from alref_agent.config import DEFAULT_PROFILE, Config, load_config
from alref_agent.errors import ConfigError
from alref_agent.tools.tool import Backend, Tool, Toolbox

BACKENDS = ("detector", "segmenter")
"""The kinds of backends; each has a section of its own in the settings."""


def check(config: Config) -> list[str]:
    """Find out what keeps the settings from working, before anything is loaded or written.

    A backend may have a class method `check(config)` which raises what `from_config` would, and a
    class variable `cpu_only`.

    Returns:
        What the user should know: settings that have no effect.

    Raises:
        UnknownNameError: A name that is not registered; the nearest is shown.
        InputError: A backend cannot work here, for instance because a package is missing.
    """
    if (reason := lacking(config)) and config.profile != DEFAULT_PROFILE:
        raise ConfigError(f"The profile {config.profile!r} does not work: {reason}")
    registry.check("strategy", config.strategy)
    if config.llm.model != "none":
        raise ConfigError(
            f"llm.model {config.llm.model!r}: this version asks no LLM; use --llm none."
        )
    names = {kind: getattr(config, kind).name for kind in BACKENDS}
    for kind, name in names.items():
        registry.check(kind, name)
    registry.load("strategy", config.strategy)
    warnings = []
    for kind, name in names.items():
        backend = registry.load(kind, name)
        if hasattr(backend, "check"):
            backend.check(config)
        if getattr(backend, "cpu_only", False) and config.device not in ("auto", "cpu"):
            warnings.append(
                f"The {kind} {name!r} runs on the CPU: device {config.device} is not used."
            )
    return warnings


def lacking(config: Config) -> str | None:
    """Which parts that the profile names and that are in use this version lacks; None: none."""
    own = load_config(config.profile, environment={})
    used, named = (
        {"strategy": c.strategy} | {kind: getattr(c, kind).name for kind in BACKENDS}
        for c in (config, own)
    )
    gone = [
        f"{kind} {name}"
        for kind, name in named.items()
        if used[kind] == name and name not in registry.names(kind)
    ]
    if not gone:
        return None
    return f"this version has no {', no '.join(gone)}; use --profile {DEFAULT_PROFILE}."


def toolbox(config: Config) -> Toolbox:
    """Every tool, made when it is first asked for; its backend is loaded when it is first used."""

    def tool(name: str) -> Tool[Any, Any]:
        kind: type[Tool[Any, Any]] = registry.load("tool", name)
        return kind(backend(config, kind.backend_kind) if kind.backend_kind else None)

    return Toolbox({name: partial(tool, name) for name in registry.names("tool")})


def backend(config: Config, kind: str) -> Backend[Any]:
    """The backend of a kind (`detector`, `segmenter`) that the settings name, not loaded yet."""
    section = getattr(config, kind)

    def load() -> Any:
        with registry.blaming(kind, section.name):
            return registry.load(kind, section.name).from_config(config)

    settings = section.model_dump(mode="json") | {"device": config.device, "seed": config.seed}
    return Backend(kind, section.name, load, settings)


def strategy(config: Config, tools: Toolbox) -> Strategy:
    """The strategy that the settings name."""
    built: Strategy = registry.load("strategy", config.strategy).from_config(config, tools)
    return built
