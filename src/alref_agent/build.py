"""Settings -> objects: with `tools.assembly`, the only place where names become objects."""

from __future__ import annotations

from alref_agent import registry
from alref_agent.agent.strategy import Strategy
from alref_agent.config import DEFAULT_PROFILE, Config, load_config
from alref_agent.errors import ConfigError
from alref_agent.providers.llm import Llm
from alref_agent.providers.names import NONE, resolve
from alref_agent.tools.assembly import BACKENDS
from alref_agent.tools.tool import Toolbox


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
    strategy = strategy_name(config)
    registry.check("strategy", strategy)
    names = {kind: getattr(config, kind).name for kind in BACKENDS}
    for kind, name in names.items():
        registry.check(kind, name)
    warnings = _check_llm(config, strategy)
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
        {"strategy": strategy_name(c)} | {kind: getattr(c, kind).name for kind in BACKENDS}
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


def strategy_name(config: Config) -> str:
    """Which strategy the settings mean: `auto` is `gpt-ps` with an LLM, `top-track` without one."""
    if config.strategy != "auto":
        return config.strategy
    return "top-track" if config.llm.model == NONE else "gpt-ps"


def strategy(config: Config, tools: Toolbox, llm: Llm | None) -> Strategy:
    """The strategy that the settings mean."""
    kind = registry.load("strategy", strategy_name(config))
    built: Strategy = kind.from_config(config, tools, llm)
    return built


def asks_llm(config: Config) -> bool:
    """Whether the strategy asks an LLM."""
    return bool(getattr(registry.load("strategy", strategy_name(config)), "asks_llm", False))


def _check_llm(config: Config, strategy: str) -> list[str]:
    if not asks_llm(config):
        if config.llm.model == NONE:
            return []
        return [f"The strategy {strategy!r} asks no LLM: llm.model {config.llm.model} is not used."]
    if config.llm.model == NONE:
        raise ConfigError(
            f"The strategy {strategy!r} asks an LLM: name one, as --llm gpt-4 or "
            "--llm ollama:MODEL."
        )
    names = [resolve(name) for name in (config.llm.model, *config.llm.step_models.values())]
    return list(dict.fromkeys(name.note for name in names if name.note))
