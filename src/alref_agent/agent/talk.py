"""One expression's conversation with an agent: what came of its calls, and how it ended."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from textwrap import shorten

from alref_agent.agent.brackets import spoken
from alref_agent.agent.segmented import Segmented, choices
from alref_agent.agent.strategy import Choice, Finding
from alref_agent.errors import ReplyError
from alref_agent.record import FallbackRecord
from alref_agent.tools.detection.detect_objects import ExpressionDetections
from alref_agent.types import Expression
from alref_agent.workspace import Workspace

_LONGEST = 240
"""Characters of an LLM's words in a reason; the record has them whole."""
_MARKS = " \t\r\n*_#>\"'`-"
"""What may stand between `no target` and the words around it."""
_NO_TARGET = re.compile(
    r"^[ \t\r*_#>\"'`-]*no[ _-]target\b[ \t\r*_\"'`]*(?:[:.-]|$)",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass
class Talk:
    """A conversation about one expression."""

    reference: Expression
    detected: list[ExpressionDetections] = field(default_factory=list)
    called: Segmented | None = None
    """The last call of `segment_video` that went well."""
    errors: list[str] = field(default_factory=list)
    """What the LLM was told that went wrong with its calls."""
    words: str = ""
    """What the LLM said last."""
    trouble: str = ""
    """Why it ended otherwise than by the LLM's own words; empty: it did not."""

    def end(self, words: str, trouble: str) -> None:
        """The LLM has said its last words, without what it only thought."""
        self.trouble = trouble
        try:
            self.words = spoken(words)
        except ReplyError:
            self.words = ""

    @property
    def segmented(self) -> Segmented | None:
        """The call whose masks are the answer, if any are."""
        return self.called if self._none_fits() is None else None

    @property
    def obj_ids(self) -> list[int]:
        """The numbers that the LLM gave to its objects."""
        done = self.segmented
        return [entry.obj_id for entry in done.arguments.objects] if done else []

    def choices(self, workspace: Workspace) -> list[Choice]:
        """The objects that it ended with."""
        if self.segmented is None:
            return []
        said = _short(self.words)
        why = f"The LLM segmented it: “{said}”" if said else "The LLM segmented it."
        return choices(workspace, self.segmented, [found.id for found in self.detected], why)

    def finding(self, chosen: Sequence[Choice]) -> Finding:
        """What it comes to, with the objects that it ended with."""
        found = self.detected[-1] if self.detected else None
        none_fits = self._none_fits()
        if chosen:
            return Finding(found, chosen)
        if none_fits is not None:
            said = f": “{none_fits}”" if none_fits else "."
            return Finding(found, [], f"The LLM says that nothing fits{said}")
        return Finding(found, [], self._why_failed(), failed=True)

    def fallbacks(self) -> list[FallbackRecord]:
        """The fall-back that was taken where masks count though it did not end by itself."""
        if not self.trouble or self.segmented is None:
            return []
        reason = f"The agent {self.trouble}; the masks that it had made count."
        return [FallbackRecord(stage="agent", reason=reason, exp_id=self.reference.exp_id)]

    def _none_fits(self) -> str | None:
        """Why nothing fits, in the LLM's words, where it ended with that; None where not."""
        said = None if self.trouble else list(_NO_TARGET.finditer(self.words))
        if not said:
            return None
        after, before = self.words[said[-1].end() :], self.words[: said[-1].start()]
        return _short(after.lstrip(_MARKS)) or _short(before.rstrip(_MARKS))

    def _why_failed(self) -> str:
        if self.trouble:
            how = f"{self.trouble}, without masks"
        else:
            said = _short(self.words)
            how = "ended without masks" + (f": “{said}”" if said else "")
        if not self.errors:
            return f"The agent {how}."
        n = len(self.errors)
        times = "One call" if n == 1 else f"{n} calls"
        return f"The agent {how}. {times} went wrong, the last so: {_short(self.errors[-1])}"


def _short(text: str) -> str:
    # Cut well after what is shown: `shorten` takes minutes for a word of a million letters.
    start = " ".join(text.strip(" \n\t*_\"'`").split())[: 2 * _LONGEST]
    return shorten(start, _LONGEST, placeholder=" …")
