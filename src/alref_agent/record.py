"""What was done, as data: the entries of the record and the content of `result.json`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1

Status = Literal["found", "no-target", "failed"]


class Entry(BaseModel):
    """Anything that is written down; unknown fields are refused when it is read back."""

    model_config = ConfigDict(extra="forbid")


class Call(Entry):
    """One call of a typed tool. In full in `record/calls.jsonl`, in short in `result.json`."""

    tool: str
    backend: str
    """Name of the backend that did the work; empty for a tool that has none."""
    version: str
    """Of the backend, or of this package."""
    seconds: float
    warnings: list[str]
    arguments: dict[str, Any] | None = None
    result: dict[str, Any] | None = None


class VideoRecord(Entry):
    """Which video, which part of it."""

    source: str
    """The path as resolved when the run started."""
    fingerprint: str
    """Changes when the file, or the folder's images, do; see `media.fingerprint`."""
    n_frames: int
    """Frames that were looked at: after range and stride."""
    height: int
    width: int
    fps: float
    start: int
    """First frame of the source that was looked at."""
    end: int
    """The frame of the source before which it ends."""
    every: int
    """Stride, in frames of the source."""


class PivotRecord(Entry):
    """A frame and a box which prompted the segmenter."""

    frame_idx: int
    box: tuple[float, float, float, float]
    """xyxy in pixels."""
    score: float


class TargetRecord(Entry):
    """One thing that (a part of) an expression was taken for."""

    label: str
    words: str
    confidence: float
    count: int


class ReferenceRecord(Entry):
    """An expression and how the detector understood it."""

    exp_id: str
    text: str
    targets: list[TargetRecord]
    reason: str


class ObjectRecord(Entry):
    """The answer for one object."""

    obj_id: int
    exp_id: str
    expression: str
    status: Status
    reason: str
    """One sentence: why this object, or why none."""
    label: str | None = None
    """What the detector calls the object."""
    score: float | None = None
    """Of the box or box track which prompted the segmenter."""
    pivots: list[PivotRecord] = []
    n_frames: int = 0
    """Frames on which the object has a mask."""
    first_frame: int | None = None
    last_frame: int | None = None


class FallbackRecord(Entry):
    """One fall-back that was taken: where, and why."""

    stage: str
    reason: str


class RunResult(Entry):
    """The content of `result.json`."""

    schema_version: int = SCHEMA_VERSION
    alref_agent: str
    """Version of this package."""
    created: str
    """UTC, ISO 8601."""
    video: VideoRecord
    references: list[ReferenceRecord]
    strategy: str
    config: dict[str, Any]
    """All settings, so that the run can be done again from this file alone."""
    objects: list[ObjectRecord]
    fallbacks: list[FallbackRecord] = []
    calls: list[Call] = []
    seconds: dict[str, float] = Field(default_factory=dict)
    """Stage -> seconds; of every session where the run was resumed."""
    packages: dict[str, str] = Field(default_factory=dict)
    """Package -> version, of those that can change a mask."""
    files: dict[str, str] = Field(default_factory=dict)
    """What -> path within the run folder."""
    warnings: list[str] = []

    @property
    def exit_status(self) -> int:
        """0 when every object has an answer (no-target is one), 1 when something failed."""
        return int(any(o.status == "failed" for o in self.objects))
