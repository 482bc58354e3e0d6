"""A mind that calls tools by a script, one entry a turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from llm_server.minds import Mind
from llm_server.seen import Answer, Call, Seen, calls, says

Entry: TypeAlias = str | Answer | Sequence[Call | Mapping[str, Any]]
"""A text, or tool calls, each `{"name": …, "arguments": {…} or raw text}`."""
ToolScript: TypeAlias = Sequence[Entry | Callable[[Seen], Entry]] | Callable[[Seen], Entry]
"""Entries, or one callable for all turns, for instance to call for ever."""


def by_script(script: ToolScript, otherwise: Mind) -> Mind:
    """Answer requests that offer tools by the script, others by another mind.

    The n-th entry answers where the conversation holds n replies already, so that conversations
    may go on side by side. After the last entry it says that it is done.
    """

    def mind(seen: Seen) -> Answer:
        if not seen.tools:
            return otherwise(seen)
        if callable(script):
            return _answer(script(seen))
        if seen.n_replies >= len(script):
            return says("Done.")
        entry = script[seen.n_replies]
        return _answer(entry(seen) if callable(entry) else entry)

    return mind


def _answer(entry: Entry) -> Answer:
    if isinstance(entry, Answer):
        return entry
    return says(entry) if isinstance(entry, str) else calls(entry)
