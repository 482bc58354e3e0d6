"""JSON that follows a schema, with an answer in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def fill(schema: Mapping[str, Any], answer: Mapping[str, Any], words: str) -> dict[str, Any]:
    """An object with all required properties.

    Args:
        schema: Of an object.
        answer: Properties whose value is given; `right_type` fits them to the schema beforehand.
        words: For required texts.
    """
    filled: dict[str, Any] = {}
    properties = schema.get("properties", {})
    required = schema.get("required", [])
    for name, part in properties.items():
        if name in answer:
            filled[name] = answer[name]
        elif name in required:
            filled[name] = _value(part, schema, words)
    return filled


def right_type(schema: Mapping[str, Any], name: str, numbers: Sequence[int]) -> Any:
    """The numbers as the property `name` takes them: a list, a number, null or -1."""
    part = schema["properties"][name]
    kinds = [_resolve(one, schema).get("type") for one in part.get("anyOf", [part])]
    kinds = [kind for one in kinds for kind in (one if isinstance(one, list) else [one])]
    if "array" in kinds:
        return list(numbers)
    if numbers:
        return numbers[0]
    return None if "null" in kinds else -1


def _resolve(part: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in part:
        found: Any = root
        for key in part["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        part = found
    return part


def _value(part: Mapping[str, Any], root: Mapping[str, Any], words: str) -> Any:
    part = _resolve(part, root)
    for union in ("anyOf", "oneOf"):
        if union in part:
            return _value(part[union][0], root, words)
    if "const" in part:
        return part["const"]
    if "enum" in part:
        return part["enum"][0]
    kind = part.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        inner = {"$defs": root.get("$defs", {}), **part}
        return fill(inner, {}, words)
    if kind == "array":
        items = part.get("items", {"type": "string"})
        return [_value(items, root, words) for _ in range(part.get("minItems", 1))]
    if kind in ("integer", "number"):
        low, high = part.get("minimum"), part.get("maximum")
        if low is not None and high is not None and kind == "number":
            return round(low + 0.8 * (high - low), 3)
        return low if low is not None else 1
    if kind == "boolean":
        return True
    return None if kind == "null" else words[: part.get("maxLength", len(words))]
