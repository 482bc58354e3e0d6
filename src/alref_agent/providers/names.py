"""What `--llm` may be given -> which provider is asked for which model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

from alref_agent.errors import LlmError, unknown
from alref_agent.strict_yaml import read_yaml

NONE = "none"
TAKEN = "none, an alias (see `llms list`), openai:MODEL, ollama:MODEL, hf:MODEL, replay:FOLDER"


@dataclass(frozen=True)
class LlmName:
    """Who is asked."""

    kind: str
    """The word before the colon: `openai`."""
    model: str
    """What follows it: `gpt-4.1`."""
    note: str = ""
    """What the user should know: that another model is asked than was named."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.model}"


def resolve(name: str, today: date | None = None) -> LlmName:
    """Who is asked where the user says `name`.

    Args:
        name: What `--llm` was given, not `none`.
        today: Decides which models are retired; None: the date of this day.

    Raises:
        LlmError: It is neither an alias nor `PROVIDER:MODEL`.
    """
    day = today or date.today()
    aliases = _aliases()
    if name in aliases:
        model, retired = living(aliases[name], day)
        kind, _, rest = model.partition(":")
        note = ""
        if retired and day >= retired and rest != name:
            note = f"{name} was retired on {retired}: {rest} is asked instead (llm.model)."
        return LlmName(kind, rest, note)
    kind, colon, rest = name.partition(":")
    if not colon or not kind.strip() or not rest.strip():
        if name in ("openai", "ollama", "hf", "replay", "scripted"):
            raise LlmError(f"LLM {name!r}: say which model, as in {name}:MODEL.")
        raise LlmError(f"{unknown('LLM', name, aliases)} Taken: {TAKEN}.")
    return LlmName(kind.strip(), rest.strip())


def aliases(today: date | None = None) -> dict[str, tuple[str, date | None]]:
    """Alias -> the model that it stands for today, and the day on which that one retires."""
    day = today or date.today()
    found = {}
    for name, entry in _aliases().items():
        model, _ = living(entry, day)
        until = next((m.get("until") for m in entry["models"] if m["model"] == model), None)
        found[name] = (model, until)
    return found


def living(entry: Mapping[str, Any], day: date) -> tuple[str, date | None]:
    """The first model of an alias that is not retired on a day, and when the name's own was.

    Args:
        entry: Of `aliases.yaml`.
        day: The day.
    """
    models = entry["models"]
    model = next((m for m in models if "until" not in m or day < m["until"]), models[-1])
    return str(model["model"]), entry.get("retired")


@cache
def _aliases() -> dict[str, dict[str, Any]]:
    content = read_yaml(resources.files("alref_agent.providers") / "aliases.yaml")
    return dict(content["aliases"])
