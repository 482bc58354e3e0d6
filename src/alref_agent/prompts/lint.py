"""What is wrong with prompts, found without asking any LLM."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from alref_agent.errors import PromptError
from alref_agent.prompts import examples
from alref_agent.prompts.library import BUILT_IN, PromptFile, released
from alref_agent.prompts.prompt import Prompt
from alref_agent.prompts.schema import loose_objects

_BRACKETED = re.compile(r"\[-?\d+\]")
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"')


@dataclass(frozen=True)
class Finding:
    """Something that should be otherwise."""

    level: Literal["error", "warning"]
    message: str


@dataclass(frozen=True)
class Report:
    """What was found about one prompt; nothing is good."""

    name: str
    """Its id where it is built in, else its path."""
    findings: tuple[Finding, ...]


def lint(files: Sequence[PromptFile]) -> list[Report]:
    """Check prompts: by themselves, with example inputs, and against each other.

    Built-in ones are checked against the digests that were released, too.
    """
    reports: list[Report] = []
    prompts: dict[str, PromptFile] = {}
    for file in files:
        name = file.id if file.origin == BUILT_IN else str(file.path)
        try:
            prompt = file.read()
        except PromptError as error:
            message = str(error).removeprefix(f"{name}: ")
            reports.append(Report(name, (Finding("error", message),)))
            continue
        errors = _errors(prompt)
        if prompt.id in prompts and prompts[prompt.id] != file:
            errors.append(f"{prompt.id} is also in {prompts[prompt.id].path}")
        prompts.setdefault(prompt.id, file)
        warnings = _warnings(prompt, {f.id for f in files} | set(released()))
        reports.append(
            Report(
                name,
                (
                    *(Finding("error", message) for message in errors),
                    *(Finding("warning", message) for message in warnings),
                ),
            )
        )
    if any(file.origin == BUILT_IN for file in files):
        reports += [
            Report(id_, (Finding("error", "it was released, and is gone"),))
            for id_ in sorted(released().keys() - {f.id for f in files if f.origin == BUILT_IN})
        ]
    return reports


def _errors(prompt: Prompt) -> list[str]:
    errors = []
    try:
        text = prompt.render(**examples.usual()).text
        prompt.render(**examples.fewest())
        rendered = prompt.render(**examples.hostile())
    except PromptError as error:
        return [f"with example inputs, {error}"]
    if prompt.reply == "bracketed" and not _BRACKETED.search(text):
        errors.append("it should show the answer that it wants, a number in square brackets: [1]")
    # Whatever is still there when all that stands in quotes is gone was not quoted.
    if any(
        examples.MARK in _QUOTED.sub("", part).casefold()
        for part in (rendered.system, rendered.text)
    ):
        errors.append("text from outside gets in as it is; write it {{ … | quoted }}")
    if prompt.origin == BUILT_IN and released().get(prompt.id) != prompt.digest:
        known = prompt.id in released()
        errors.append(
            "it was edited after its release; make it a new version"
            if known
            else f"it is not in released.json; its digest is {prompt.digest}"
        )
    return errors


def _warnings(prompt: Prompt, known: Collection[str]) -> list[str]:
    warnings = [f"the input {name} is declared and not used" for name in prompt.unused_inputs]
    if "expression" not in prompt.inputs:
        warnings.append("it does not say what to look for: the input expression is not used")
    if prompt.parent is not None and prompt.parent not in known:
        warnings.append(f"its parent {prompt.parent} is not known")
    if prompt.schema is not None:
        warnings += loose_objects(prompt.schema)
    return warnings
