"""Masks for every object that a sentence names in a video.

    from alref_agent import segment
    run = segment("clip.mp4", text=["the dog"], profile="offline")

Importing this package imports nothing heavy: each public name is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alref_agent._version import __version__

if TYPE_CHECKING:
    from alref_agent.config import Config, load_config
    from alref_agent.errors import AlrefError
    from alref_agent.pipeline import replay, segment
    from alref_agent.run import Run

_HOMES = {
    "AlrefError": "alref_agent.errors",
    "Config": "alref_agent.config",
    "Run": "alref_agent.run",
    "load_config": "alref_agent.config",
    "replay": "alref_agent.pipeline",
    "segment": "alref_agent.pipeline",
}

__all__ = ["AlrefError", "Config", "Run", "__version__", "load_config", "replay", "segment"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
