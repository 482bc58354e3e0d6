"""The head of a prompt file: YAML between two lines of three dashes."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from alref_agent.errors import PromptError, unknown
from alref_agent.prompts.steps import STEPS, TASKS
from alref_agent.strict_yaml import parse_yaml


def _line(text: str) -> str:
    """One line that does nothing to a terminal."""
    line = " ".join(text.split())
    if not line.isprintable():
        raise ValueError("control characters are not taken")
    return line


def _once(names: list[str]) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{twice[0]!r} is there twice")
    return names


Line = Annotated[str, AfterValidator(_line)]


class FrontMatter(BaseModel):
    """What a prompt says about itself; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: str
    """`STEP/VERSION`."""
    version: str = Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")
    step: str
    tasks: Annotated[list[str], Field(min_length=1), AfterValidator(_once)]
    summary: Line = Field(min_length=1)
    inputs: Annotated[list[str], Field(min_length=1), AfterValidator(_once)]
    pictures: Literal["sheet", "none"]
    reply: Literal["bracketed", "json", "free"]
    reply_schema: dict[str, Any] | None = Field(None, alias="schema")
    system: str = ""
    parent: str | None = None
    changes: Line = ""


def split(source: str, where: str) -> tuple[str, str, int]:
    """The YAML, the template, and the line on which the template starts.

    Raises:
        PromptError: There are no two lines of three dashes, or nothing follows them.
    """
    found = re.match(r"---[ \t]*\n(.*?\n)??---[ \t]*(\n|\Z)", source, re.DOTALL)
    if not found:
        raise PromptError(f"{where}: it should start with YAML between two lines of three dashes.")
    body = source[found.end() :]
    if not body.strip():
        raise PromptError(f"{where}: no template follows the front matter.")
    return found[1] or "", body, found[0].count("\n") + 1


def read(text: str, where: str) -> FrontMatter:
    """The checked front matter.

    Raises:
        PromptError: It is not YAML, has an unknown or a missing key, or a value that cannot be.
    """
    content = _mapping(text, where)
    known = [field.alias or name for name, field in FrontMatter.model_fields.items()]
    for key in content:
        if key not in known:
            raise PromptError(f"{where}: {unknown('key', str(key), known)}")
    try:
        front = FrontMatter.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        got = "" if first["type"] == "missing" else f", got {first['input']!r:.80}"
        message = first["msg"].removeprefix("Value error, ")
        raise PromptError(f"{where}: {place}: {message}{got}.") from error
    _check_names(front, where)
    return front


def _mapping(text: str, where: str) -> dict[Any, Any]:
    try:
        content = parse_yaml(text)
    except yaml.MarkedYAMLError as error:
        # The first line of the file is the dashes.
        line = f"line {error.problem_mark.line + 2}: " if error.problem_mark else ""
        raise PromptError(
            f"{where}: {line}the front matter is not YAML: {error.problem}."
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise PromptError(f"{where}: the front matter is not YAML: {error}.") from error
    except Exception as error:  # the parser's own, from values that are not what their tag says
        raise PromptError(f"{where}: a value in the front matter cannot be read.") from error
    if not isinstance(content, dict):
        raise PromptError(f"{where}: the front matter should hold `key: value` lines.")
    return content


def _check_names(front: FrontMatter, where: str) -> None:
    if front.step not in STEPS:
        raise PromptError(f"{where}: {unknown('step', front.step, STEPS)}")
    if front.id != f"{front.step}/{front.version}":
        raise PromptError(
            f"{where}: id: it should be {front.step}/{front.version}, got {front.id!r}."
        )
    if front.parent is not None and not front.parent.startswith(f"{front.step}/"):
        raise PromptError(f"{where}: parent: it should be a {front.step}, got {front.parent!r}.")
    for task in front.tasks:
        if task not in TASKS:
            raise PromptError(f"{where}: {unknown('task', task, TASKS)}")
    for name in front.inputs:
        if name not in STEPS[front.step].inputs:
            raise PromptError(f"{where}: {unknown('input', name, STEPS[front.step].inputs)}")
    forms = ("bracketed", "json") if STEPS[front.step].answer else ("free",)
    if front.reply not in forms:
        raise PromptError(
            f"{where}: reply: {' or '.join(forms)} for {front.step}, got {front.reply!r}."
        )
    if front.reply == "json" and front.reply_schema is None:
        raise PromptError(f"{where}: a prompt with reply: json needs a schema.")
    if front.reply != "json" and front.reply_schema is not None:
        raise PromptError(f"{where}: only a prompt with reply: json has a schema.")
