"""The sandbox in which templates are rendered: what is given to one comes out as data.

A template reads its inputs and calls no code; a value is written out once and never rendered. It
is the same text every time: nothing random and no object's address gets into it.

A loop or a number that was meant to be smaller ends in a sentence that says so. A template that
means harm can still take long: as any code of strangers it should be read before it is used.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, Undefined, meta
from jinja2.exceptions import TemplateSyntaxError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from alref_agent.errors import PromptError

_JOINERS = "\u200c\u200d"
"""Invisible, but some languages are misspelt, and some emoji fall apart, without them."""
_MOST_STEPS = 20_000
"""Calls, and numbers of ranges, in one rendering."""
_LONGEST = 1_000_000
"""Characters of a prompt, and what a product may come to."""
_MOST_POWER = 64
_steps: ContextVar[int] = ContextVar("_steps")


def quoted(value: object) -> str:
    r"""A value between double quotes that it cannot leave: a JSON string.

    Quotes and backslashes are escaped, and so is what cannot be seen or starts a line: control
    characters, line separators, marks that turn the direction of writing, tags.
    """
    text = json.dumps(str(value), ensure_ascii=False)
    return "".join(json.dumps(c)[1:-1] if _unseen(c) else c for c in text)


def counted(number: int, one: str, many: str = "") -> str:
    """`1 box`, `3 boxes`: a number and its noun; without `many` an s is added."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def names_used(template: str, where: str, line: int = 1) -> set[str]:
    """The inputs that a template uses.

    Args:
        template: Its text.
        where: What a message calls it.
        line: The line of the file on which it starts.

    Raises:
        PromptError: It is no template, or takes in other files.
    """
    try:
        tree = _ENVIRONMENT.parse(template)
        _compiled(template)
        elsewhere = list(meta.find_referenced_templates(tree))
        used = meta.find_undeclared_variables(tree)
    except TemplateSyntaxError as error:
        place = f"line {line - 1 + error.lineno}"
        raise PromptError(f"{where}: {place} is no template: {error.message}") from error
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise PromptError(f"{where}: the template is nested too deeply.") from error
    except ValueError as error:  # a number too long for Python to read
        raise PromptError(f"{where} is no template: {_said(error)}.") from error
    if elsewhere:
        raise PromptError(f"{where}: a prompt is one file; it cannot include or import another.")
    return used - _ENVIRONMENT.globals.keys()


def fill(template: str, inputs: Mapping[str, Any], where: str) -> str:
    """A template with its inputs filled in, without blank lines around it.

    Raises:
        PromptError: It uses what is not given, does something that does not work, or too much.
    """
    _steps.set(0)
    try:
        text = _compiled(template).render(inputs).strip()
        if len(text) > _LONGEST:
            raise ValueError(f"its text has {len(text)} characters, at most {_LONGEST} are taken")
        return text
    except Exception as error:  # a template is a user's code, which can fail in any way
        raise PromptError(f"{where} cannot be rendered: {_said(error)}.") from error


def _unseen(character: str) -> bool:
    category = unicodedata.category(character)
    return category in ("Cc", "Co", "Cs", "Zl", "Zp") or (
        category == "Cf" and character not in _JOINERS
    )


def _written(value: object) -> object:
    """Refuse to write out what has no form in words."""
    if not isinstance(value, str | int | float | Undefined):
        kind = "null" if value is None else type(value).__name__
        raise TypeError(f"only text and numbers can be written out, got {kind}")
    return value


def _said(error: Exception) -> str:
    text = str(error).strip().rstrip(".")
    return text if text else type(error).__name__


def _step(n: int = 1) -> None:
    _steps.set(_steps.get() + n)
    if _steps.get() > _MOST_STEPS:
        raise ValueError(f"it takes more than {_MOST_STEPS} steps: its loops are too long")


def _range(*args: int) -> range:
    numbers = range(*args)
    _step(len(numbers))
    return numbers


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, in which calls are counted and products have a limit."""

    intercepted_binops = frozenset(("*", "**"))

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        _step()
        return super().call(context, function, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        a, b = (len(v) if hasattr(v, "__len__") else abs(v) for v in (left, right))
        if (a > _LONGEST or b > _MOST_POWER) if operator == "**" else a * b > _LONGEST:
            raise ValueError(f"{operator} makes something that is too large")
        return super().call_binop(context, operator, left, right)


def _environment() -> _Sandbox:
    environment = _Sandbox(
        undefined=StrictUndefined,
        autoescape=False,  # this is no HTML
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_written,
    )
    environment.globals = {"namespace": environment.globals["namespace"], "range": _range}
    del environment.filters["random"]
    environment.filters |= {"quoted": quoted, "counted": counted}
    return environment


_ENVIRONMENT = _environment()


@lru_cache(maxsize=64)
def _compiled(template: str) -> Template:
    return _ENVIRONMENT.from_string(template)
