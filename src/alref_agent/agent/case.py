"""One expression on its way through GPT-PS: what each step made of it, and what went wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import shorten
from typing import Any

from alref_agent.agent.pivots import Pivot
from alref_agent.agent.windows import Window
from alref_agent.providers.llm import Outcome
from alref_agent.record import FallbackRecord
from alref_agent.tools.detection.detect_objects import ExpressionDetections
from alref_agent.types import Detections, Expression


@dataclass
class Case:
    """One expression on its way through the steps."""

    reference: Expression
    chosen: list[tuple[Window, int]] = field(default_factory=list)
    """Step 1: windows that have a pivot frame, and its number on the sheet."""
    found: ExpressionDetections | None = None
    frames: dict[int, Detections] = field(default_factory=dict)
    """`frame_idx` -> what was detected for it."""
    pivots: list[Pivot] = field(default_factory=list)
    """Step 2: what the LLM chose."""
    refusals: list[str] = field(default_factory=list)
    """Windows for which the LLM said that nothing fits, in its words."""
    without_boxes: list[int] = field(default_factory=list)
    """Pivot frames on which the detector saw nothing."""
    fallbacks: list[FallbackRecord] = field(default_factory=list)

    def lost(self, step: str, window: Window, outcome: Outcome[Any]) -> None:
        """A window without a usable answer has no pivot."""
        first, last = window.frame_idxs[0], window.frame_idxs[-1]
        self.fallbacks.append(
            FallbackRecord(
                stage=step,
                reason=f"No usable answer for frames {first} to {last}, which have no pivot: "
                f"{outcome.problem}",
                exp_id=self.reference.exp_id,
            )
        )

    def why_none(self) -> tuple[str, bool]:
        """Why no pivot survived, and whether that is a failure rather than an answer."""
        if self.fallbacks:
            n = len(self.fallbacks)
            more = f" ({n - 1} more in result.json.)" if n > 1 else ""
            return f"The LLM gave no usable answer. {self.fallbacks[0].reason}{more}", True
        if self.refusals:
            said = shorten(next((r for r in self.refusals if r), ""), 240, placeholder=" …")
            return f"The LLM says that nothing fits{f': “{said}”' if said else '.'}", False
        seen = ", ".join(map(str, self.without_boxes))
        about = f" {self.found.reason}" if self.found else ""
        return f"The detector saw nothing that fits on the pivot frames ({seen}).{about}", False
