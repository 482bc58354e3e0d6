"""Secrets of the environment are blotted out of everything that is kept, shown or raised."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

BLOT = "[secret]"
_NAMES = re.compile(r"(^|_)(API_?KEY|ACCESS_KEY|KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS)(_|$)")
_SHORTEST = 8
"""Shorter values are no keys, and blotting them out would spoil ordinary words."""


class Blotter:
    """Replaces the values of secret variables in any text."""

    def __init__(self, variables: Mapping[str, str] | None = None, *more: str | None) -> None:
        """Find the secrets.

        Args:
            variables: The environment; None: of this process, now.
            more: Names of variables that hold a secret whatever they are called.
        """
        found = os.environ if variables is None else variables
        values = {
            value.strip()
            for name, value in found.items()
            if (_NAMES.search(name.upper()) or name in more) and len(value.strip()) >= _SHORTEST
        }
        forms = values | {quote(value, safe="") for value in values}
        # The longest first: one key may be the beginning of another.
        ordered = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """The text without the secrets."""
        return self._pattern.sub(BLOT, text) if self._pattern else text

    def deep(self, value: Any) -> Any:
        """JSON-like data without the secrets, in keys and values."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {self(str(k)): self.deep(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.deep(v) for v in value]
        return value
