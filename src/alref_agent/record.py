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
    score: float | None
    """The detector's; None for a box that it has not seen."""
    start: bool = False
    """Whether the segmenter propagates from here; where none is marked, from all."""
    reason: str = ""
    """In the words of the LLM, where one chose."""


class TargetRecord(Entry):
    """One thing that (a part of) an expression was taken for."""

    label: str
    words: str
    confidence: float
    count: int


class PromptRecord(Entry):
    """A prompt that was used, in full: the run can be done again without its file."""

    step: str
    """`pivot-frame`, `pivot-box`."""
    id: str
    """`pivot-frame/v1`."""
    digest: str
    """Of `source`."""
    source: str
    """The whole prompt file, front matter and template."""


ReplySource = Literal["llm", "cache", "replay"]


class RequestRecord(Entry):
    """One request to an LLM, and what came of it. Pictures and messages lie in `record/`."""

    key: str
    """Its name in `record/replies`; equal where who is asked and all that is said are equal."""
    digest: str
    """Equal where all that is said is equal, whoever is asked."""
    step: str
    prompt: str
    """Id of the prompt: `pivot-frame/v1`."""
    prompt_digest: str
    exp_id: str
    frames: list[int]
    """`frame_idx` of picture 1, 2, …"""
    pictures: list[str]
    """Files in the run folder, as sent."""
    text: str
    """The last turn of the prompt, as rendered."""
    asked: str
    """Who was asked: `openai:gpt-4.1`."""
    answered_by: str
    """The model id that the answer came with."""
    reply: str
    """Verbatim; secrets are blotted out."""
    finish: str = "stop"
    """How it ended: `stop`, `length`, `refusal`, `tool-calls`, `unreadable`."""
    tool_calls: list[dict[str, Any]] = []
    """Tools that it asks to be called, with the arguments."""
    understood: dict[str, Any] | None
    """What was read from it; None: nothing that could be used."""
    problem: str = ""
    """Why it could not be used."""
    repair: bool = False
    """Whether this is the turn that shows the LLM its own reply and what is wrong with it."""
    source: ReplySource
    """Who gave the reply: the LLM in this run, the store of an earlier run, or a replay."""
    attempts: int
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None
    """US dollars, as charged for this run: 0 where the reply was there already; None: unknown."""
    seconds: float


class LlmUsage(Entry):
    """All requests of a run together."""

    calls: int = 0
    """Replies that an LLM gave for this run."""
    cached: int = 0
    """Replies that were there already."""
    repairs: int = 0
    unusable: int = 0
    """Replies that could not be used."""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    """US dollars; None: not all prices are known."""
    models: list[str] = []
    """Model ids as they answered."""


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
    """`pivot-frame`, `pivot-box`: a window without an answer. `detect`: a frame without boxes that
    could be used. `top-box`: frame 0 and its best box.
    `agent`: the conversation did not end as it should."""
    reason: str
    exp_id: str = ""


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
    llm: LlmUsage = LlmUsage()
    prompts: list[PromptRecord] = []
    requests: list[RequestRecord] = []
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
