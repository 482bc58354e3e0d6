"""Settings -> tools, each with the backend that the settings name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel

from alref_agent import registry
from alref_agent.config import Config
from alref_agent.errors import ConfigError
from alref_agent.providers.llm import Llm, Outcome, Question
from alref_agent.record import Call, RequestRecord
from alref_agent.sections import OPERATIONAL
from alref_agent.tools.tool import Backend, Tool, Toolbox
from alref_agent.workspace import Workspace, call_key

BACKENDS = ("detector", "segmenter")
"""The kinds of backends; each has a section of its own in the settings."""
ASKED = "ask_llm"
"""What stands for a tool where a backend's questions are kept among the calls of a workspace."""

A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True)
class Asking:
    """What a backend needs that asks an LLM: the one of the run, and where its questions are kept.

    Such a backend has `asks_llm = True`, `llm_step` (the step of its prompts) and a property
    `settings` (what can change its results besides its section of the settings, for the key of a
    call); its `from_config` takes an `Asking` after the settings.
    """

    llm: Llm
    workspace: Workspace
    exp_ids: Mapping[str, str] = field(default_factory=dict)
    """Expression -> its id, for the record."""

    def ask(self, questions: Sequence[Question[A]], step: str) -> list[Outcome[A]]:
        """Ask all questions, and keep them with the call of the tool that runs.

        A run that goes on has the tool's answer from the record, and the questions with it.

        Raises:
            LlmError, LlmUnavailableError, BudgetError: As `Llm.ask`.
        """
        before = len(self.llm.requests)
        outcomes = self.llm.ask(questions)
        records = [record.model_dump(mode="json") for record in self.llm.requests[before:]]
        call = Call(
            tool=ASKED,
            backend=step,
            version="",
            seconds=0,
            warnings=[],
            result={"requests": records},
        )
        self.workspace.record_call(call_key(tool=ASKED, requests=records), call)
        return outcomes


def recall(asking: Asking, config: Config) -> None:
    """Put into the LLM's record what backends asked in an earlier part of the run."""
    known = {record.model_dump_json() for record in asking.llm.requests}
    for call in asking.workspace.calls():
        if call.tool != ASKED or call.result is None:
            continue
        prompts = config.prompts.model_dump()
        prompt = asking.llm.library.get(call.backend, prompts[call.backend.replace("-", "_")])
        for plain in call.result["requests"]:
            record = RequestRecord.model_validate(plain)
            if record.model_dump_json() not in known:
                asking.llm.record(prompt, record)


def toolbox(config: Config, asking: Asking | None = None) -> Toolbox:
    """Every tool, made when it is first asked for; its backend is loaded when it is first used.

    Args:
        config: Names the backends.
        asking: For backends that ask an LLM; without it they cannot be used.
    """

    def tool(name: str) -> Tool[Any, Any]:
        kind: type[Tool[Any, Any]] = registry.load("tool", name)
        return kind(backend(config, kind.backend_kind, asking) if kind.backend_kind else None)

    return Toolbox({name: partial(tool, name) for name in registry.names("tool")})


def backend(config: Config, kind: str, asking: Asking | None = None) -> Backend[Any]:
    """The backend of a kind (`detector`, `segmenter`) that the settings name, not loaded yet.

    One that asks an LLM has nothing to load: it is made at once, so that what keeps it from working
    is found before anything is done.
    """
    section = getattr(config, kind)

    def load() -> Any:
        with registry.blaming(kind, section.name):
            made = registry.load(kind, section.name)
            if not getattr(made, "asks_llm", False):
                return made.from_config(config)
            if asking is None:
                raise ConfigError(f"The {kind} {section.name!r} asks an LLM, and was given none.")
            return made.from_config(config, asking)

    settings = section.model_dump(mode="json", exclude=OPERATIONAL[kind])
    settings |= {"device": config.device, "dtype": config.dtype, "seed": config.seed}
    if asking is None or not getattr(registry.load(kind, section.name), "asks_llm", False):
        return Backend(kind, section.name, load, settings)
    made = load()
    return Backend(kind, section.name, lambda: made, settings | made.settings)
