"""Settings -> tools, each with the backend that the settings name."""

from __future__ import annotations

from functools import partial
from typing import Any

from alref_agent import registry
from alref_agent.config import Config
from alref_agent.tools.tool import Backend, Tool, Toolbox

BACKENDS = ("detector", "segmenter")
"""The kinds of backends; each has a section of its own in the settings."""


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

    settings = section.model_dump(mode="json")
    settings |= {"device": config.device, "dtype": config.dtype, "seed": config.seed}
    return Backend(kind, section.name, load, settings)
