"""The sandbox in which templates are rendered: what is given to one comes out as data.

A template reads its inputs and calls no code; a value is written out once and never rendered. It
is the same text every time: nothing random and no object's address gets into it.

Turns of loops, calls, and the characters that are made are counted as steps, and there is a limit
to them: a mistake ends in a sentence that says so. A template that means harm can still take long;
as any code of strangers it should be read before it is used.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache, wraps
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, Undefined, meta, nodes, pass_context
from jinja2.exceptions import TemplateSyntaxError
from jinja2.nodes import EvalContext
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from alref_agent.errors import PromptError

_JOINERS = "\u200c\u200d"
"""Invisible, but some languages are misspelt, and some emoji fall apart, without them."""

_MOST_STEPS = 2_000_000
"""In one rendering. The built-in prompts take some thousands."""
_A_CALL = 10
"""Steps of a call, beside those for the characters and items that it is given and makes."""
_MOST_BITS = 3_000
"""Of a whole number: some 900 digits."""
_WIDE = re.compile(r"%[-+ #0\d.*]*\d{4}|\{[^{}]{0,99}\d{4}")
"""A field of 1000 characters or more in what `format` fills."""


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
    _STEPS_LEFT.set(_MOST_STEPS)
    try:
        return _compiled(template).render(inputs).strip()
    except Exception as error:  # a template is a user's code, which can fail in any way
        raise PromptError(f"{where} cannot be rendered: {_said(error)}.") from error


def _unseen(character: str) -> bool:
    category = unicodedata.category(character)
    return category in ("Cc", "Co", "Cs", "Zl", "Zp") or (
        category == "Cf" and character not in _JOINERS
    )


class _TooMuchError(Exception):
    pass


_STEPS_LEFT: ContextVar[int] = ContextVar("_STEPS_LEFT", default=_MOST_STEPS)


def _spend(steps: int) -> None:
    left = _STEPS_LEFT.get() - steps
    _STEPS_LEFT.set(left)
    if left < 0:
        raise _TooMuchError(
            f"it takes more than {_MOST_STEPS} steps: its loops are too long, or its text is"
        )


def _length(value: object) -> int:
    return len(value) if isinstance(value, str | list | tuple | dict | range) else 1


def _pay(given: object, more: Iterable[object]) -> None:
    """Count what a call reads, and refuse one whose result could have no end.

    A result is at most `given` as many times as the largest number or the longest text in `more`
    says: `"a" | center(10 ** 9)`, `text | replace("", text)`.
    """
    more = list(more)
    _spend(_A_CALL + _length(given) + sum(map(_length, more)))
    times = max((abs(v) if isinstance(v, int) else _length(v) for v in more), default=1)
    if _length(given) * times > 10 * _MOST_STEPS:
        raise _TooMuchError("what a filter, method or operator is given makes its result too long")


def _pay_format(text: str, values: Iterable[object]) -> None:
    if _WIDE.search(text):
        raise _TooMuchError("it formats a field wider than 999 characters")
    _pay(text, values)


def _paid(made: Any) -> Any:
    """What was made, counted."""
    if isinstance(made, int):
        if made.bit_length() > _MOST_BITS:
            raise _TooMuchError("it makes a number that is too large")
    elif not isinstance(made, range):
        _spend(_length(made))
    return made


def _turns(values: Iterable[Any]) -> Iterator[Any]:
    """What a loop goes through, each turn counted."""
    for value in values:
        _spend(1)
        yield value


def _all_paid(made: Any) -> Any:
    """A list, tuple or dict that a template writes, counted with all that is in it."""
    _spend(_length(made))
    if isinstance(made, list | tuple | dict):
        for value in made.values() if isinstance(made, dict) else made:
            _all_paid(value)
    return made


def _counted_filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose work is counted."""

    @wraps(function)
    def filtered(*args: Any, **kwargs: Any) -> Any:
        given = [a for a in args if not isinstance(a, Context | EvalContext | Environment)]
        values = [*given[1:], *kwargs.values()]
        if name == "format" and isinstance(given[0], str):
            _pay_format(given[0], values)
        else:
            _pay(given[0], values)
        return _paid(function(*args, **kwargs))

    return filtered


class _Counting(NodeTransformer):
    """Changes a template so that all that it loops over, writes and puts together is counted."""

    def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Node:  # noqa: N802
        return nodes.Const(node.data, lineno=node.lineno)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.iter = _through("a loop", node.iter)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _through("join", _through("a list", nodes.List(node.nodes, lineno=node.lineno)))

    def visit_List(self, node: nodes.List | nodes.Dict) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _through("a list", node)

    visit_Dict = visit_List  # noqa: N815

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _through("a list", node) if node.ctx == "load" else node


def _through(filter_: str, node: Any) -> nodes.Filter:
    return nodes.Filter(node, filter_, [], [], None, None, lineno=node.lineno)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, with a limit to what a template can make and how long it goes on."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "%" and isinstance(left, str):
            _pay_format(left, right if isinstance(right, tuple) else [right])
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            if abs(left) > 1 and right * (left.bit_length() - 1) > _MOST_BITS:
                raise _TooMuchError("it makes a number that is too large")
        elif operator == "*":
            for many, times in ((left, right), (right, left)):
                if isinstance(many, str | list | tuple) and isinstance(times, int):
                    _spend(len(many) * max(times, 0))
        return _paid(super().call_binop(context, operator, left, right))

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        text = getattr(getattr(function, "__wrapped__", function), "__self__", None)
        values = [*args, *kwargs.values()]
        if not isinstance(text, str):
            _spend(_A_CALL + sum(map(_length, values)))
        elif function.__name__ in ("format", "format_map"):
            _pay_format(text, values)
        else:
            _pay(text, values)
        return _paid(super().call(context, function, *args, **kwargs))


@pass_context  # so that nothing is written out, and no number worked out, when it is compiled
def _written(_: Context, value: object) -> object:
    """Refuse to write out what has no form in words."""
    if not isinstance(value, str | int | float | Undefined):
        kind = "null" if value is None else type(value).__name__
        raise TypeError(f"only text and numbers can be written out, got {kind}")
    return _paid(value)


def _said(error: Exception) -> str:
    text = str(error).strip().rstrip(".")
    return text if text else type(error).__name__


def _environment() -> _Sandbox:
    environment = _Sandbox(
        optimized=False,  # what a template makes is counted when it is rendered, not before
        undefined=StrictUndefined,
        autoescape=False,  # this is no HTML
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_written,
    )
    environment.globals = {name: environment.globals[name] for name in ("namespace", "range")}
    del environment.filters["random"]
    filters = environment.filters | {"quoted": quoted, "counted": counted}
    environment.filters = {name: _counted_filter(name, f) for name, f in filters.items()}
    # Not names that a template could write: `_Counting` puts them in.
    environment.filters |= {"a loop": _turns, "a list": _all_paid}
    return environment


_ENVIRONMENT = _environment()


@lru_cache(maxsize=64)
def _compiled(template: str) -> Template:
    return _ENVIRONMENT.from_string(_Counting().visit(_ENVIRONMENT.parse(template)))
