"""Settings -> objects: with `tools.assembly`, the only place where names become objects."""

from __future__ import annotations

from collections.abc import Iterable

from alref_agent import registry
from alref_agent.agent.strategy import Strategy
from alref_agent.config import Config
from alref_agent.errors import ConfigError
from alref_agent.providers.llm import Llm
from alref_agent.providers.names import NONE, resolve
from alref_agent.tools.assembly import BACKENDS
from alref_agent.tools.tool import Toolbox


def check(config: Config) -> list[str]:
    """Find out what keeps the settings from working, before anything is loaded or written.

    Returns:
        What the user should know: settings that have no effect.

    Raises:
        UnknownNameError: A name that is not registered; the nearest is shown.
        InputError: A backend cannot work here, for instance because a package is missing.
    """
    strategy = strategy_name(config)
    registry.check("strategy", strategy)
    for kind in BACKENDS:
        registry.check(kind, getattr(config, kind).name)
    return _check_llm(config) + check_backends(config, BACKENDS)


def check_backends(config: Config, kinds: Iterable[str]) -> list[str]:
    """The same of some backends alone.

    A backend may have a class method `check(config)` which raises what `from_config` would, and a
    class variable `cpu_only`.

    Args:
        config: The settings.
        kinds: Of `BACKENDS`.

    Returns:
        What the user should know: settings that have no effect.

    Raises:
        UnknownNameError: A name that is not registered; the nearest is shown.
        InputError: A backend cannot work here, for instance because a package is missing.
    """
    warnings = []
    for kind in kinds:
        name = getattr(config, kind).name
        backend = registry.load(kind, name)
        if hasattr(backend, "check"):
            backend.check(config)
        if getattr(backend, "cpu_only", False) and config.device not in ("auto", "cpu"):
            warnings.append(
                f"The {kind} {name!r} runs on the CPU: device {config.device} is not used."
            )
    return warnings


def strategy_name(config: Config) -> str:
    """Which strategy the settings mean: `auto` is `gpt-ps` with an LLM.

    Without one it is what the paper falls back to, where that is the fallback, else `top-track`.
    """
    if config.strategy != "auto":
        return config.strategy
    if config.llm.model != NONE:
        return "gpt-ps"
    return "top-track" if config.fallback == "none" else config.fallback


def strategy(config: Config, tools: Toolbox, llm: Llm | None) -> Strategy:
    """The strategy that the settings mean."""
    kind = registry.load("strategy", strategy_name(config))
    # Where only a backend asks one, it is no concern of the strategy.
    built: Strategy = kind.from_config(config, tools, llm if _strategy_asks(config) else None)
    return built


def asks_llm(config: Config) -> bool:
    """Whether the strategy or a backend asks an LLM."""
    return _strategy_asks(config) or bool(asking_backends(config))


def asking_backends(config: Config) -> list[str]:
    """The kinds of the backends that ask an LLM."""
    classes = {kind: registry.load(kind, getattr(config, kind).name) for kind in BACKENDS}
    return [kind for kind, backend in classes.items() if getattr(backend, "asks_llm", False)]


def llm_config(config: Config) -> Config:
    """The settings for the LLM of a run: a backend's own model is asked in the backend's step.

    Where the strategy asks none, the backend's model is the only one, and `llm.model` is not used.
    """
    before = model = config.llm.model
    step_models = dict(config.llm.step_models)
    for kind in asking_backends(config):
        section = getattr(config, kind)
        step = registry.load(kind, section.name).llm_step
        if section.model is not None:
            step_models[step] = section.model
        if step in step_models and (model == NONE or not _strategy_asks(config)):
            model = step_models[step]
    update: dict[str, object] = {"model": model, "step_models": step_models}
    if before not in (NONE, model) and resolve(before).kind != resolve(model).kind:
        update |= {"base_url": None, "key_variable": None, "options": {}}  # the other's
    return config.model_copy(update={"llm": config.llm.model_copy(update=update)})


def _strategy_asks(config: Config) -> bool:
    return bool(getattr(registry.load("strategy", strategy_name(config)), "asks_llm", False))


def _check_llm(config: Config) -> list[str]:
    strategy, given = strategy_name(config), config.llm.model
    backends = asking_backends(config)
    unused = [f"The strategy {strategy!r} asks no LLM: llm.model {given} is not used."]
    if not _strategy_asks(config) and not backends:
        return [] if given == NONE else unused
    if given == NONE and _strategy_asks(config):
        raise ConfigError(
            f"The strategy {strategy!r} asks an LLM: name one, as --llm gpt-4 or "
            "--llm ollama:MODEL."
        )
    asked = llm_config(config).llm
    if asked.model == NONE:
        raise ConfigError(
            f"The {backends[0]} {getattr(config, backends[0]).name!r} asks an LLM: name one, as "
            f"--llm gpt-4 or --llm ollama:MODEL, or with {backends[0]}.model."
        )
    names = [resolve(name) for name in (asked.model, *asked.step_models.values())]
    notes = dict.fromkeys(name.note for name in names if name.note)
    return [*(unused if given not in (NONE, asked.model) else []), *notes]
