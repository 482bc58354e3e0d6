"""Whether models on this machine are whole and as they were pulled; nothing is loaded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from alref_agent.weights.catalogue import backend_of, kinds
from alref_agent.weights.layout import CONFIG, problem, read_json
from alref_agent.weights.manifest import Pull, pulls
from alref_agent.weights.pull import sha256
from alref_agent.weights.whereabouts import Place, find, not_here, read_name


@dataclass(frozen=True)
class Finding:
    """What was found about one model."""

    called: str
    good: bool
    said: str
    """What is good, or what is wrong and what to do."""

    @property
    def line(self) -> str:
        """For a terminal."""
        return f"{'good' if self.good else 'BAD '}  {self.called}: {self.said}"


def inspect_all(names: Iterable[str]) -> list[Finding]:
    """Look at everything that was pulled, and at what is named besides.

    Raises:
        ModelError: A name that is none.
    """
    done = {pull.called: inspect(pull) for pull in pulls()}
    for written in names:
        place = find(written)
        if place is None or place.pull is None:  # else it is among them
            done[written] = inspect(written)
    return list(done.values())


def inspect(model: str | Pull) -> Finding:
    """Look at one model.

    Raises:
        ModelError: A name that is none.
    """
    if isinstance(model, Pull):
        name = read_name(f"{model.id}@{model.commit}")
        place = Place(name, model.folder / (name.known.file or ""), model) if name.known else None
        place = place or Place(name, model.folder, model)
        again = f"alref-agent models pull {model.id} --revision {model.asked or model.commit}"
        if not model.folder.is_dir():
            return Finding(model.called, False, f"it is gone from {model.folder}: {again}")
    else:
        name = read_name(model)
        found = find(name)
        if found is None:
            return Finding(model, False, not_here(name).removeprefix(f"{model} "))
        place, again = found, name.pull_command
    if name.local is not None:
        again = "get it again"
    said = _wrong(place)
    if said:
        return Finding(place.called, False, f"{said}: {again}")
    return Finding(place.called, True, _good(place))


def _wrong(place: Place) -> str | None:
    if place.pull is not None:
        for name, file in place.pull.files.items():
            path = place.pull.folder / name
            if not path.is_file():
                return f"{name} is missing"
            if path.stat().st_size != file.size:
                return f"{name} has {path.stat().st_size:,} bytes instead of {file.size:,}"
    if not place.path.is_file():
        settings = read_json(place.path / CONFIG)
        if settings is None:
            broken = (place.path / CONFIG).is_file()
            return f"{CONFIG} is {'broken' if broken else 'missing'}"
        kind = settings.get("model_type")
        backend = backend_of(kind)
        if backend is None:
            takes = ", ".join(sorted(kinds()))
            return f"it is of the kind {kind!r}, which no backend takes ({takes})"
        if said := problem(place.path, backend):
            return said
    if place.pull is not None:
        for name, file in place.pull.files.items():
            if sha256(place.pull.folder / name) != file.sha256:
                return f"{name} was changed: its sha256 is not the one that was pulled"
    return None


def _good(place: Place) -> str:
    files = [file for file in _files(place.path) if file.is_file()]
    size = sum(file.stat().st_size for file in files) / 1e6
    if place.pull is None:
        compared = "not pulled by this program, so no sha256 to compare"
    elif any(file.announced for file in place.pull.files.values()):
        compared = "sha256 as the hub announced"
    else:
        compared = "sha256 as pulled"
    return f"{len(files)} {'file' if len(files) == 1 else 'files'}, {size:,.1f} MB, {compared}"


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.iterdir())
