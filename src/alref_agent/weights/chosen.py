"""Which models settings name."""

from __future__ import annotations

from alref_agent.config import Config, load_config, profiles
from alref_agent.weights.catalogue import default


def named(config: Config) -> list[str]:
    """The detector's and the segmenter's model, or the backend's own; none for those without."""
    parts = (config.detector, config.segmenter)
    models = [part.model or default(part.name) for part in parts]
    return list(dict.fromkeys(model for model in models if model))


def users() -> dict[str, list[str]]:
    """Model -> the profiles that name it."""
    found: dict[str, list[str]] = {}
    for profile in profiles():
        for model in named(load_config(profile, environment={})):
            found.setdefault(model, []).append(profile)
    return found
