"""Settings -> objects: the only place where names become objects."""

from __future__ import annotations

from typing import Any

from alref_agent import registry
from alref_agent.agent.strategy import Strategy
from alref_agent.config import Config
from alref_agent.tools.tool import Backend, Tool, Toolbox


def check_names(config: Config) -> None:
    """Refuse unknown backends and strategies before anything is loaded or written.

    Raises:
        UnknownNameError: A name that is not registered; the nearest is shown.
    """
    registry.check("strategy", config.strategy)
    registry.check("detector", config.detector.name)
    registry.check("segmenter", config.segmenter.name)


def toolbox(config: Config) -> Toolbox:
    """Every tool; their backends are loaded when they are first used."""
    tools: dict[str, Tool[Any, Any]] = {}
    for name in registry.names("tool"):
        tool: type[Tool[Any, Any]] = registry.load("tool", name)
        kind = tool.backend_kind
        tools[name] = tool(backend(config, kind) if kind else None)
    return Toolbox(tools)


def backend(config: Config, kind: str) -> Backend[Any]:
    """The backend of a kind (`detector`, `segmenter`) that the settings name, not loaded yet."""
    section = getattr(config, kind)

    def load() -> Any:
        return registry.load(kind, section.name).from_config(config)

    settings = section.model_dump(mode="json") | {"device": config.device, "seed": config.seed}
    return Backend(section.name, load, settings)


def strategy(config: Config, tools: Toolbox) -> Strategy:
    """The strategy that the settings name."""
    built: Strategy = registry.load("strategy", config.strategy).from_config(config, tools)
    return built
