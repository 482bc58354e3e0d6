"""The schema of a structured reply: checked when its prompt is read, before anything is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from alref_agent.errors import PromptError


def check_schema(schema: Mapping[str, Any], answer: str, where: str) -> None:
    """Refuse a schema that no reply could be checked against.

    Args:
        schema: JSON schema of the reply.
        answer: The field that must be in it.
        where: What a message calls the prompt.

    Raises:
        PromptError: It is no JSON schema, reads other documents, or lacks the field.
    """
    try:
        plain = json.loads(json.dumps(schema, allow_nan=False)) == schema
    except (TypeError, ValueError, RecursionError):
        plain = False
    if not plain:
        raise PromptError(f"{where}: schema: it holds what JSON does not know; quote such values.")
    if any(key in node for node in _nodes(schema) for key in ("$ref", "$dynamicRef")):
        raise PromptError(f"{where}: schema: references are not taken; write it out.")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        place = ".".join(["schema", *map(str, error.absolute_path)])
        raise PromptError(f"{where}: {place}: {error.message}") from error
    fields, required = schema.get("properties", {}), schema.get("required", [])
    if schema.get("type") != "object" or answer not in fields or answer not in required:
        raise PromptError(
            f"{where}: schema: it should be an object with the field {answer!r}, which is required."
        )


def loose_objects(schema: Mapping[str, Any]) -> list[str]:
    """What keeps a schema from OpenAI's strict mode: a line for each object in it."""
    lines = []
    for node in _nodes(schema):
        fields = node.get("properties")
        if not isinstance(fields, Mapping):
            continue
        optional = sorted(fields.keys() - set(node.get("required", [])))
        if optional:
            lines.append(f"schema: {', '.join(optional)} should be required")
        if node.get("additionalProperties") is not False:
            lines.append(f"schema: the object of {', '.join(fields)} allows additionalProperties")
    return lines


def _nodes(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
    for child in value.values() if isinstance(value, Mapping) else value:
        if isinstance(child, Mapping | list):
            yield from _nodes(child)
