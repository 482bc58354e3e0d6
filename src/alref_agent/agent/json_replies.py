"""Answers as JSON: the object in a reply, whatever stands around it, checked against a schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from alref_agent.agent.brackets import spoken
from alref_agent.errors import ReplyError


def json_object(reply: str, needed: str, schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The last JSON object of a reply that has the key `needed`.

    Args:
        reply: The reply: JSON alone, in a code fence, or with words around it.
        needed: The key that holds the answer.
        schema: What the object must follow.

    Raises:
        ReplyError: There is none, or it does not follow the schema; the message says where.
    """
    text = spoken(reply)
    found = list(_objects(text, reply))
    fitting = [each for each in found if needed in each]
    if not fitting:
        what = f"no JSON object with the key {needed!r}" if found else "no JSON object"
        raise ReplyError(f"it holds {what}.", reply)
    answer = fitting[-1]
    if schema is not None:
        error = best_match(Draft202012Validator(dict(schema)).iter_errors(answer))
        if error is not None:
            place = ".".join(str(part) for part in error.absolute_path)
            message = error.message if len(error.message) < 200 else error.message[:200] + "…"
            raise ReplyError(f"its JSON is wrong at {place or 'the top'}: {message}.", reply)
    return answer


def _objects(text: str, reply: str) -> Iterator[dict[str, Any]]:
    """Every outermost JSON object of a text, in order."""
    decoder = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)
    at = text.find("{")
    tries = 0
    while at >= 0 and tries < 200:
        tries += 1
        try:
            value, end = decoder.raw_decode(text, at)
        except _TwiceError as error:
            raise ReplyError(str(error), reply) from None
        except (ValueError, RecursionError):
            at = text.find("{", at + 1)
            continue
        if isinstance(value, dict):
            yield value
        at = text.find("{", end)


class _TwiceError(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise _TwiceError(f"its JSON has {name!r} twice.")
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
