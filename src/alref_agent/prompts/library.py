"""Where prompts are found: given as text, built in, in folders of the user's, in a file."""

from __future__ import annotations

import dataclasses
import json
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alref_agent.errors import PromptError, unknown
from alref_agent.prompts.prompt import Prompt
from alref_agent.prompts.steps import STEPS

TEMPLATES = Path(__file__).parent / "templates"
BUILT_IN = "built-in"
GIVEN = "given"
SUFFIX = ".md"
MAX_BYTES = 100_000


@dataclass(frozen=True)
class PromptFile:
    """A file that is, or should be, a prompt."""

    path: Path
    origin: str
    """`built-in`, or the folder in which it was found; empty where it was named itself."""

    @property
    def id(self) -> str:
        """The id that a prompt of a folder has by its place."""
        return f"{self.path.parent.name}/{self.path.stem}"

    def read(self) -> Prompt:
        """The prompt.

        Raises:
            PromptError: It cannot be read or used, or is not the one that its place says.
        """
        where = self.id if self.origin == BUILT_IN else str(self.path)
        if self.origin and self.path.parent.is_symlink():
            raise PromptError(f"{self.path.parent} is a symbolic link; make it a folder.")
        prompt = Prompt.parse(_text(self.path), where)
        if self.origin and prompt.id != self.id:
            raise PromptError(f"{where}: it says that it is {prompt.id}; rename one of them.")
        if self.origin != BUILT_IN and _is_another(prompt):
            raise PromptError(
                f"{where}: {prompt.id} is the id of a built-in prompt: give it another version."
            )
        return dataclasses.replace(prompt, path=self.path, origin=self.origin)


class PromptLibrary:
    """All prompts that a run can use. Nothing is read before it is asked for."""

    def __init__(self, paths: Sequence[str | Path] = (), given: Mapping[str, str] = {}) -> None:
        """Say where prompts are found.

        Args:
            paths: Folders of the user's, each with `STEP/VERSION.md`.
            given: Id -> the whole text; comes before files, so that a replay uses what was
                recorded.
        """
        folders = [Path(path).expanduser() for path in paths]
        self._folders = list({folder.absolute(): folder for folder in folders}.values())
        self._given = dict(given)

    def get(self, step: str, version: str) -> Prompt:
        """A step's prompt.

        Args:
            step: `pivot-frame`, `pivot-box`.
            version: `v1`, or the path of a `.md` file. Where exactly one prompt of the step is
                given as text, that stands for any file.

        Raises:
            PromptError: There is none, or several, or it cannot be used.
        """
        if step not in STEPS:
            raise PromptError(unknown("step", step, STEPS))
        if version.endswith(SUFFIX):
            given = [id_ for id_ in self._given if id_.startswith(f"{step}/")]
            if len(given) == 1:
                return self._recorded(given[0])
            prompt = PromptFile(Path(version).expanduser(), "").read()
            if prompt.step != step:
                raise PromptError(f"{version} is a prompt for {prompt.step}, not for {step}.")
            return prompt
        id_ = f"{step}/{version}"
        if id_ in self._given:
            return self._recorded(id_)
        found = [file for file in self.files() if file.id == id_]
        if not found:
            known = [i.partition("/")[2] for i in self._ids() if i.startswith(f"{step}/")]
            raise PromptError(unknown(f"{step} prompt", version, known))
        return _only(found).read()

    def find(self, name: str) -> Prompt:
        """A prompt as a person names it: an id such as `pivot-box/v1`, or a `.md` file.

        Raises:
            PromptError: There is none, or it cannot be used.
        """
        if name.endswith(SUFFIX):
            return PromptFile(Path(name).expanduser(), "").read()
        step, slash, version = name.partition("/")
        if not slash:
            raise PromptError(unknown("prompt", name, self._ids()))
        return self.get(step, version)

    def all(self) -> list[Prompt]:
        """Every prompt, by step and version.

        Raises:
            PromptError: One of them cannot be used.
        """
        files: dict[str, list[PromptFile]] = {}
        for file in self.files():
            files.setdefault(file.id, []).append(file)
        found = {id_: _only(same).read() for id_, same in files.items() if id_ not in self._given}
        found |= {id_: self._recorded(id_) for id_ in self._given}
        steps = list(STEPS)
        return sorted(found.values(), key=lambda p: (steps.index(p.step), p.version))

    def files(self) -> list[PromptFile]:
        """The files of the built-in prompts and of the user's folders.

        Raises:
            PromptError: A folder is not there or holds no prompts.
        """
        files = prompt_files(TEMPLATES, BUILT_IN)
        for folder in self._folders:
            files += prompt_files(folder, str(folder))
        return files

    def _recorded(self, id_: str) -> Prompt:
        prompt = Prompt.parse(self._given[id_], f"{id_} as given")
        if prompt.id != id_:
            raise PromptError(f"{id_} as given says that it is {prompt.id}.")
        return dataclasses.replace(prompt, origin=GIVEN)

    def _ids(self) -> list[str]:
        return sorted({*self._given, *(file.id for file in self.files())})


def prompt_files(folder: Path, origin: str) -> list[PromptFile]:
    """The prompts below a folder: `STEP/VERSION.md`.

    Raises:
        PromptError: It is no folder, cannot be read, or holds none.
    """
    try:
        below = sorted(
            path
            for step in STEPS
            if (folder / step).is_dir()
            for path in (folder / step).iterdir()
            if path.name.endswith(SUFFIX) and not path.name.startswith(".")
        )
        there = folder.is_dir()
    except OSError as error:
        raise PromptError(f"{folder} cannot be read: {error.strerror}.") from error
    if not below:
        what = f"holds no prompts; they lie in {' or '.join(STEPS)}" if there else "is no folder"
        raise PromptError(f"The folder of prompts {folder} {what}.")
    return [PromptFile(path, origin) for path in below]


def released() -> dict[str, str]:
    """Id -> digest of every built-in prompt, as it was released."""
    return dict(json.loads((TEMPLATES / "released.json").read_text(encoding="utf-8")))


def _only(files: list[PromptFile]) -> PromptFile:
    if len(files) > 1:
        first, second = files[:2]
        if first.origin == BUILT_IN:
            raise PromptError(
                f"{second.path}: {second.id} is the id of a built-in prompt: "
                "give it another version."
            )
        raise PromptError(f"{second.path}: {second.id} is also in {first.origin}.")
    return files[0]


def _is_another(prompt: Prompt) -> bool:
    """Whether it has the id, and not the text, of a built-in prompt."""
    file = TEMPLATES / prompt.step / f"{prompt.version}{SUFFIX}"
    return file.exists() and Prompt.parse(_text(file), prompt.id).digest != prompt.digest


def _text(path: Path) -> str:
    try:
        if path.is_symlink():
            raise PromptError(f"{path}: it is a symbolic link; give the file that it leads to.")
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise PromptError(f"{path}: it is no file.")
        if status.st_size > MAX_BYTES:
            raise PromptError(
                f"{path}: it has {status.st_size} bytes; at most {MAX_BYTES} are taken."
            )
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise PromptError(f"{path}: it cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise PromptError(f"{path}: it is not UTF-8 (byte {error.start}).") from error
    except ValueError as error:  # a path with a null character
        raise PromptError(f"{path}: it cannot be read: {error}.") from error
