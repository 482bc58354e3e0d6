"""What a step of reasoning answers, once its reply was read."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """What every answer has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: str = ""
    """In the words of the LLM."""
    confidence: float | None = Field(None, ge=0, le=1)
    """As the LLM says itself, where the prompt asks for it."""


class PivotFrameAnswer(Answer):
    """Step 1: the frame that shows the object best."""

    frame: int | None
    """Its number on the sheet, from 1; None: no frame shows the object."""


class PivotBoxAnswer(Answer):
    """Step 2: the boxes that hold what the expression names."""

    boxes: tuple[int, ...]
    """Their numbers, from 1; empty: no box does."""
