"""Whether models on this machine are whole and as they were pulled; nothing is loaded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from alref_agent.weights.catalogue import backend_of, kinds
from alref_agent.weights.layout import CONFIG, problem, read_json, weights_problem
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
    said = _changed(place.pull)
    if said:
        return Finding(place.called, False, f"{said}: {again}")
    if kind := useless(place.path):
        takes = ", ".join(sorted(kinds()))
        said = f"it is of the kind {kind}, which no backend takes ({takes})"
        return Finding(place.called, False, f"{said}: take another model; see `models list`")
    said = _wrong(place.path)
    if said and place.pull is not None:
        said += ", as it came from the hub"
        again = "take another revision (--revision) or another model; see `models list`"
    if said:
        return Finding(place.called, False, f"{said}: {again}")
    return Finding(place.called, True, _good(place))


def useless(path: Path) -> str | None:
    """The kind of a model that no backend takes, quoted; None where one does, or it says none."""
    return None if read_json(path / CONFIG) is None or _backend(path) else repr(kind_of(path))


def kind_of(path: Path) -> object:
    """What a model's settings say that it is; None where they say nothing."""
    return (read_json(path / CONFIG) or {}).get("model_type")


def _backend(path: Path) -> str | None:
    return backend_of(kind_of(path))


def _changed(pull: Pull | None) -> str | None:
    """What is not as it was pulled; the quick looks first."""
    files = pull.files if pull else {}
    folder = pull.folder if pull else Path()
    for name, file in files.items():
        if not (folder / name).is_file():
            return f"{name} is missing"
        size = (folder / name).stat().st_size
        if size != file.size:
            return f"{name} has {size:,} bytes instead of {file.size:,}"
    for name, file in files.items():
        if sha256(folder / name) != file.sha256:
            return f"{name} was changed: its sha256 is not the one that was pulled"
    return None


def _wrong(path: Path) -> str | None:
    if path.is_file():
        said = weights_problem(path)
        return f"it {said}" if said else None
    if read_json(path / CONFIG) is None:
        return f"{CONFIG} is {'broken' if (path / CONFIG).is_file() else 'missing'}"
    return problem(path, _backend(path))


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
