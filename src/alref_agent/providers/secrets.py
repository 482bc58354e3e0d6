"""Secrets of the environment are blotted out of everything that is kept, shown or raised."""

from __future__ import annotations

import base64
import html
import json
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
        forms = {form for value in values for form in _forms(value)}
        # The longest first: one key may be the beginning of another.
        ordered = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """The text without the secrets, and with what is no character written out."""
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
        return self._pattern.sub(BLOT, text) if self._pattern else text

    def deep(self, value: Any) -> Any:
        """JSON-like data as `__call__` leaves text, in keys and values."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {self(str(k)): self.deep(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.deep(v) for v in value]
        return value


def _forms(value: str) -> set[str]:
    """How a secret may come back: as it is, and as it is written in other places."""
    raw = value.encode()
    escaped = json.dumps(value)[1:-1]
    forms = {value, escaped, escaped.replace("/", "\\/"), html.escape(value)}
    forms |= {quote(value), quote(value, safe=""), raw.hex(), raw.hex().upper()}
    for before in range(3):
        # In Base64 a letter depends on its neighbours, so only the middle of it is sure.
        code = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        sure = code[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]
        forms |= {sure, sure.replace("+", "-").replace("/", "_")}
    return {form for form in forms if len(form) >= _SHORTEST}
