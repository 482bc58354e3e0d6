"""A prompt: one versioned file, checked when it is read, and what comes of it when it is filled."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from alref_agent.errors import PromptError
from alref_agent.prompts import front_matter
from alref_agent.prompts.sandbox import fill, names_used
from alref_agent.prompts.schema import check_schema
from alref_agent.prompts.steps import STEPS


@dataclass(frozen=True)
class Rendered:
    """What is sent to the LLM beside the pictures."""

    prompt: Prompt
    system: str
    """Empty: no system turn."""
    text: str
    """The user turn."""


@dataclass(frozen=True)
class Prompt:
    """A version of one step's prompt; a released one is never edited."""

    step: str
    """`pivot-frame`, `pivot-box`."""
    version: str
    """`v1`."""
    digest: str
    """12 hexadecimal digits of the SHA-256 of `source`."""
    source: str = field(repr=False)
    """The whole file, lines ending in a line feed."""
    summary: str
    tasks: tuple[str, ...]
    """`rvos`, `avs`: what it was written for."""
    inputs: tuple[str, ...]
    """Names of what must be given to render it."""
    parent: str | None
    """Id of the prompt that it was made from."""
    changes: str
    """What differs from the parent."""
    pictures: Literal["sheet", "none"]
    """`none`: everything is said in words, for LLMs without eyes."""
    reply: Literal["bracketed", "json", "free"]
    """A number in square brackets on the last line, JSON as `schema` says, or calls of tools and
    words."""
    schema: dict[str, Any] | None = field(hash=False, repr=False)
    """JSON schema of the reply, with `reply` json."""
    body: str = field(repr=False)
    """The template of the user turn."""
    system: str = field(repr=False)
    """The template of the system turn."""
    path: Path | None = None
    """The file; None where it was given as text."""
    origin: str = ""
    """`built-in`, `given`, or the user's folder."""

    @property
    def id(self) -> str:
        """`pivot-frame/v1`."""
        return f"{self.step}/{self.version}"

    @classmethod
    def parse(cls, source: str, where: str) -> Prompt:
        """Read and check the text of a prompt file.

        Args:
            source: The whole file.
            where: What a message calls it: its path.

        Raises:
            PromptError: It cannot be used; one line says which file and what is wrong.
        """
        source = source.removeprefix("\ufeff").replace("\r\n", "\n")
        _check_characters(source, where)
        head, body, line = front_matter.split(source, where)
        front = front_matter.read(head, where)
        used = names_used(body, where, line) | names_used(front.system, f"{where}: system")
        undeclared = sorted(used - set(front.inputs))
        if undeclared:
            raise PromptError(
                f"{where}: the template uses {undeclared[0]!r}, which is not among its inputs."
            )
        if front.reply_schema is not None:
            check_schema(front.reply_schema, STEPS[front.step].answer, where)
        return cls(
            step=front.step,
            version=front.version,
            digest=hashlib.sha256(source.encode()).hexdigest()[:12],
            source=source,
            summary=front.summary,
            tasks=tuple(front.tasks),
            inputs=tuple(front.inputs),
            parent=front.parent,
            changes=front.changes,
            pictures=front.pictures,
            reply=front.reply,
            schema=front.reply_schema,
            body=body,
            system=front.system,
        )

    def render(self, **inputs: Any) -> Rendered:
        """Fill in the inputs; what the prompt does not declare is ignored.

        Raises:
            PromptError: An input is missing, or lacks something that the template uses.
        """
        missing = [name for name in self.inputs if name not in inputs]
        if missing:
            raise PromptError(f"{self.id} needs the input {missing[0]!r}, which was not given.")
        given = {name: inputs[name] for name in self.inputs}
        text = fill(self.body, given, self.id)
        if not text:
            raise PromptError(f"{self.id} says nothing when it is rendered.")
        return Rendered(self, fill(self.system, given, f"{self.id}: system"), text)

    @property
    def unused_inputs(self) -> tuple[str, ...]:
        """Inputs that are declared and not used."""
        used = names_used(self.body, self.id) | names_used(self.system, self.id)
        return tuple(name for name in self.inputs if name not in used)


def _check_characters(source: str, where: str) -> None:
    for number, line in enumerate(source.split("\n"), start=1):
        for character in line:
            if character != "\t" and unicodedata.category(character) in ("Cc", "Cs"):
                raise PromptError(
                    f"{where}: line {number} has the control character U+{ord(character):04X}."
                )
