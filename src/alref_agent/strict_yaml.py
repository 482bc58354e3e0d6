"""YAML without what settings do not need and accidents or attacks are made of."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from alref_agent.errors import ConfigError


def read_yaml(file: Path | Traversable) -> dict[str, Any]:
    """The mapping that a file holds; an empty file holds an empty one.

    Raises:
        ConfigError: It cannot be read, is no YAML, or holds something else.
    """
    try:
        content = parse_yaml(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"Cannot read {file}: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{file} is not YAML as settings have it: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{file} should hold `key: value` lines, got {type(content).__name__}.")
    return content


def parse_yaml(text: str) -> Any:
    """What a text holds.

    Raises:
        yaml.YAMLError, RecursionError: It is no YAML, has aliases, or a key twice.
    """
    try:
        return yaml.load(text, _Loader)  # a safe loader, made stricter
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        # What its constructors let out: a date as 2024-99-99, a number of 5,000 digits.
        raise yaml.YAMLError(f"a value cannot be read: {error}") from error


class _Loader(yaml.SafeLoader):
    """YAML without what settings do not need and accidents or attacks are made of."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):  # a few lines of aliases can fill the memory
            raise yaml.YAMLError("aliases are not taken")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise yaml.YAMLError(f"{twice[0]!r} is there twice")
        return super().construct_mapping(node, deep)
