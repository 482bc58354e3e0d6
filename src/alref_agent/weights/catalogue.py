"""The published models that the backends were made for: a file of facts, read once."""

from __future__ import annotations

import difflib
from functools import cache
from importlib import resources
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from alref_agent.strict_yaml import read_yaml


class Published(BaseModel):
    """One model, as `catalogue.yaml` has it; see there what its lines mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    """A hub id; of an original checkpoint the name of its file."""
    backend: str
    repository: str = ""
    """Of an original checkpoint: the hub id under which its file is."""
    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$")
    megabytes: int | None = None
    parameters: float | None = None
    licence: str
    quality: dict[str, float] = {}
    source: str
    """A page."""
    sha256: dict[str, str] = {}

    @property
    def place(self) -> str:
        """The hub id of the repository."""
        return self.repository or self.id

    @property
    def file(self) -> str | None:
        """The only file that is needed; None for models in transformers' format."""
        return self.id if self.repository else None


@cache
def catalogue() -> dict[str, Published]:
    """Every model by its id, segmenters first."""
    sources = _content()["sources"]
    return {
        name: Published(id=name, **facts | {"source": sources[facts["source"]]})
        for name, facts in _content()["models"].items()
    }


@cache
def kinds() -> dict[str, tuple[str, ...]]:
    """Backend -> what `model_type` of a model's `config.json` may be."""
    return {backend: tuple(names) for backend, names in _content()["kinds"].items()}


def default(backend: str) -> str | None:
    """The model that a backend takes where the settings name none; None: it needs none."""
    model: str | None = _content()["defaults"].get(backend)
    return model


def backend_of(kind: object) -> str | None:
    """The backend that takes models of a `model_type`; None: none of ours."""
    return next((backend for backend, names in kinds().items() if kind in names), None)


def pinned(model: str) -> str | None:
    """The commit that a hub id without a revision stands for; None: the newest."""
    known = catalogue().get(model)
    return known.revision if known else None


def nearest(model: str) -> str:
    """` Did you mean …?` for a name that is none of these but near to one, else nothing."""
    names = list(catalogue())
    if model in names:
        return ""
    # Most people leave out, or mistake, who published it.
    short = {name.rpartition("/")[2].lower(): name for name in names}
    tail = model.rpartition("/")[2].lower()
    tails = difflib.get_close_matches(tail, list(short), n=1, cutoff=0.8)
    near = [short[match] for match in tails]
    near = near or difflib.get_close_matches(model, names, n=1, cutoff=0.7)
    return f" Did you mean {near[0]}?" if near else ""


@cache
def _content() -> dict[str, Any]:
    return read_yaml(resources.files("alref_agent.weights") / "catalogue.yaml")
