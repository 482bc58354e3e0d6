"""What every typed tool is: a name, a sentence, checked arguments, a checked result, a record.

The same object serves the strategies, the command line, LangChain, MCP and the tests: all of them
call it as `tool(workspace, name=value, …)`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticSerializationError

from alref_agent._version import __version__
from alref_agent.errors import ConfigError, UnknownNameError, unknown
from alref_agent.record import Call
from alref_agent.registry import blaming
from alref_agent.workspace import Workspace, call_key


class Arguments(BaseModel):
    """The base of every tool's arguments; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Result(BaseModel):
    """The base of every tool's result: numbers, names and ids."""

    model_config = ConfigDict(extra="forbid")


A = TypeVar("A", bound=Arguments)
R = TypeVar("R", bound=Result)
B = TypeVar("B")


class Backend(Generic[B]):
    """A backend that is loaded when it is first needed."""

    def __init__(
        self, kind: str, name: str, load: Callable[[], B], settings: Mapping[str, Any]
    ) -> None:
        self.kind = kind
        self.name = name
        self.settings = settings
        """What can change its results, for the key of a call."""
        self._load = load
        self._loaded: B | None = None

    def get(self) -> B:
        """The backend itself, loaded once."""
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded


class Tool(ABC, Generic[A, R]):
    """A typed tool. Subclasses set the four class variables and write `run`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """One sentence: what it does, for people and for LLMs."""
    arguments: type[A]
    result: type[R]
    backend_kind: ClassVar[str | None] = None
    """Which kind of backend the tool needs (`detector`), None if none."""

    def __init__(self, backend: Backend[Any] | None = None) -> None:
        self.backend = backend

    @abstractmethod
    def run(self, workspace: Workspace, arguments: A) -> R:
        """Do the work. Arrays go into the workspace, the result holds their ids."""

    def __call__(self, workspace: Workspace, **arguments: Any) -> R:
        """Check the arguments, run, record; what was done before is answered from the record.

        Raises:
            ConfigError: Arguments that the tool does not take.
        """
        checked = self.check(arguments)
        plain = checked.model_dump(mode="json")
        settings = dict(self.backend.settings) if self.backend else {}
        name = self.backend.name if self.backend else ""
        key = call_key(
            tool=self.name, arguments=plain, backend=name, settings=settings, by=__version__
        )
        earlier = workspace.earlier_call(key)
        if earlier is not None:
            return self.result.model_validate(earlier.result)
        started = time.perf_counter()
        with workspace.recording() as warnings:
            with self._blaming():
                result = self.run(workspace, checked)
            call = Call(
                tool=self.name,
                backend=name,
                version=str(self.backend.get().version) if self.backend else __version__,
                seconds=round(time.perf_counter() - started, 3),
                warnings=list(warnings),
                arguments=plain,
                result=result.model_dump(mode="json"),
            )
            workspace.record_call(key, call)
        return result

    @contextmanager
    def _blaming(self) -> Iterator[None]:
        backend = self.backend
        with blaming("tool", self.name):
            if backend is None:
                yield
            else:
                with blaming(backend.kind, backend.name):
                    yield

    def check(self, arguments: Mapping[str, Any]) -> A:
        """The arguments as a model.

        Raises:
            ConfigError: Arguments that the tool does not take.
        """
        return checked_arguments(self.name, self.arguments, arguments)


def checked_arguments(name: str, model: type[A], arguments: Mapping[str, Any]) -> A:
    """The arguments of a tool as a model.

    Raises:
        ConfigError: Arguments that the tool does not take.
    """
    try:
        checked = model.model_validate(arguments)
        checked.model_dump_json()  # half a character cannot be written down
        return checked
    except PydanticSerializationError as error:
        raise ConfigError(f"{name}: an argument is no text (UTF-8).") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "arguments"
        known = list(model.model_fields)
        if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
            raise ConfigError(unknown(f"argument of {name}", place, known)) from error
        said = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{name}: {place}: {said}.") from error


T = TypeVar("T", bound="Tool[Any, Any]")


class Toolbox:
    """The tools of a run, by name and by class; each is made when it is first asked for."""

    def __init__(self, make: Mapping[str, Callable[[], Tool[Any, Any]]]) -> None:
        self._make = dict(make)
        self._tools: dict[str, Tool[Any, Any]] = {}

    def __iter__(self) -> Iterator[Tool[Any, Any]]:
        return (self.named(name) for name in self._make)

    def named(self, name: str) -> Tool[Any, Any]:
        """A tool by its name.

        Raises:
            UnknownNameError: There is none; the message shows the nearest.
        """
        if name not in self._make:
            raise UnknownNameError(unknown("tool", name, self._make))
        if name not in self._tools:
            self._tools[name] = self._make[name]()
        return self._tools[name]

    def get(self, kind: type[T]) -> T:
        """A tool by its class, for callers that want its types checked.

        Raises:
            UnknownNameError: There is none.
        """
        tool = self.named(kind.name)
        if not isinstance(tool, kind):
            raise UnknownNameError(f"The tool {kind.name!r} is not a {kind.__name__}.")
        return tool
