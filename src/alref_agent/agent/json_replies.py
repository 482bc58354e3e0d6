"""Answers as JSON: the object in a reply, whatever stands around it, checked against a schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from alref_agent.agent.brackets import spoken
from alref_agent.errors import ReplyError

_LONGEST = 100_000
"""Characters of a JSON object that is taken as an answer."""
_BROKEN = 4_000_000
"""Characters that may be read in vain, from where each broken object begins to the reply's end."""
_START = re.compile(r'\{\s*["}]')


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
        errors = Draft202012Validator(dict(schema)).iter_errors(answer)
        error = best_match(islice(errors, 100))
        if error is not None:
            place = ".".join(str(part) for part in error.absolute_path)
            message = error.message if len(error.message) < 200 else error.message[:200] + "…"
            raise ReplyError(f"its JSON is wrong at {place or 'the top'}: {message}.", reply)
    return answer


def _objects(text: str, reply: str) -> Iterator[dict[str, Any]]:
    """Every outermost JSON object of a text, in order."""
    decoder = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)
    in_vain = 0
    start = _START.search(text)
    while start is not None:
        at = start.start()
        try:
            value, end = decoder.raw_decode(text, at)
        except _TwiceError as error:
            raise ReplyError(str(error), reply) from None
        except (ValueError, RecursionError):
            in_vain += len(text) - at
            if in_vain > _BROKEN:
                what = "no JSON object that can be told from the many broken ones"
                raise ReplyError(f"it holds {what}.", reply) from None
            end = at + 1
        else:
            if end - at > _LONGEST:
                what = f"a JSON object of {end - at} characters; at most {_LONGEST} are taken"
                raise ReplyError(f"it holds {what}.", reply)
            yield value
        start = _START.search(text, end)


class _TwiceError(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise _TwiceError(f"its JSON has {name!r:.60} twice.")
        content[name] = value
    return content


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
