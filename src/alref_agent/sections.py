"""The groups of settings: what each key means, its default and its limits."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class Section(BaseModel):
    """A group of settings; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class LlmConfig(Section):
    """Who reasons over the contact sheets, and how it is asked."""

    model: str = "none"
    """What `--llm` sets: `none`, an alias (`gpt-4`), `openai:MODEL`, `ollama:MODEL`, `hf:MODEL`,
    `replay:FOLDER`, `scripted:FILE`, or what LangChain's `init_chat_model` takes."""
    step_models: dict[str, str] = {}
    """Another model for one step, as `llm.step_models.pivot-frame=openai:gpt-4o`."""
    base_url: str | None = None
    """An OpenAI-compatible server (`http://127.0.0.1:8000/v1`), or an Ollama server elsewhere; like
    `key_variable` and `options` for `model`, and for step models of the same provider."""
    key_variable: str | None = None
    """The environment variable that holds the API key; null: the provider's own."""
    temperature: float | None = Field(0.0, ge=0, le=2)
    """0: always the likeliest word; null: the model's own, for models that take no other."""
    max_tokens: int | None = Field(4096, ge=1)
    """The most that one reply may have; a longer one is cut off, which is an error."""
    detail: Literal["auto", "low", "high"] = "high"
    """How closely OpenAI's models look at pictures."""
    options: dict[str, JsonValue] = {}
    """What only this provider knows (`reasoning_effort`, …), handed on as it is."""
    repeat: int = Field(0, ge=0)
    """Another number asks again for replies that are there already, to see how they vary."""
    concurrency: int = Field(8, ge=1, le=256)
    """How many requests are out at once."""
    timeout: float = Field(120, gt=0, allow_inf_nan=False)
    """Seconds without a sign of life after which a request has failed."""
    attempts: int = Field(5, ge=1, le=100)
    """How often a request is sent before failures that may pass count as final."""
    max_wait: float = Field(30, ge=0, allow_inf_nan=False)
    """The longest wait in seconds before a request is sent again, whatever the server asks."""
    max_calls: int | None = Field(None, ge=0)
    """Stop before more calls than this; null: no limit."""
    max_cost: float | None = Field(None, ge=0, allow_inf_nan=False)
    """Stop before the calls may cost more than this many US dollars; null: no limit."""
    prices: str | None = None
    """A YAML file of prices, which come before the built-in ones."""
    cache: bool = True
    """Whether replies are kept for, and taken from, other runs of this user."""


OPERATIONAL: dict[str, frozenset[str]] = {
    "llm": frozenset(
        (
            *("concurrency", "timeout", "attempts", "max_wait"),
            *("max_calls", "max_cost", "prices", "cache"),
        )
    ),
    "detector": frozenset(("batch_size",)),
    "segmenter": frozenset(("feature_memory", "offload")),
}
"""Section -> those of its settings that no result depends on. A run goes on with others."""


class PromptsConfig(Section):
    """Which version of each step's prompt is used; see `prompts list`."""

    pivot_frame: str = "v1"
    """Step 1 of `gpt-ps`: which frame of a window shows the object best?"""
    pivot_box: str = "v1"
    """Step 2 of `gpt-ps`: which of the boxes on that frame hold it?"""
    detect: str = "v1"
    """What the detector `vlm` asks for boxes on a frame with."""
    agent: str = "v1"
    """What a conversation of the strategy `agent` begins with."""
    paths: list[str] = []
    """Folders of prompts of one's own, `STEP/VERSION.md` each."""


class GptPsConfig(Section):
    """The strategy `gpt-ps`."""

    max_candidates: int = Field(6, ge=1, le=12)
    """At most this many boxes are drawn for the LLM to choose from, best first."""
    skip_single: bool = True
    """Whether a sheet of a single frame is skipped, where there are others."""
    start: Literal["middle", "all"] = "middle"
    """Which pivot is marked as the one to propagate from: the middle one, or each from its own."""
    follow: Literal["pivots", "tracks"] = "tracks"
    """What prompts the segmenter: the chosen boxes alone, as the paper, or the box tracks that they
    lie on as well, which a segmenter without learned weights needs."""
    fallback_box_threshold: float = Field(0.001, ge=0, le=1)
    """The detector's threshold on frame 0, where the fall-back `top-box` is taken."""


class AgentConfig(Section):
    """The strategy `agent`."""

    max_steps: int = Field(25, ge=1, le=1000)
    """At most this many turns of the LLM an expression."""


class SamplingConfig(Section):
    """Which frames are looked at, and how a contact sheet joins them."""

    step: int = Field(5, ge=1)
    """Every how many frames one is looked at."""
    frames_per_sheet: int = Field(5, ge=1, le=64)
    """So many frames are looked at together, a window."""
    layout: Literal["vertical", "horizontal", "grid", "separate"] = "vertical"
    """How frames are joined; `separate`: a picture each."""
    max_side: int = Field(2048, ge=256, le=8192)
    """Longest side of a picture in pixels; take what the model takes."""
    max_bytes: int = Field(4_000_000, ge=20_000)
    """Most bytes of a picture; take what the model takes."""


class DetectorConfig(Section):
    """The backend of `detect_objects`."""

    name: str = "ssd"
    """Which backend: `ssd`, `grounding-dino`, `mm-grounding-dino`, `owlv2`, `vlm`,
    `grounding-dino-official`; a plug-in may bring others."""
    model: str | None = None
    """A hub id (with `@revision`), a local folder or file; for `vlm` an LLM, as `llm.model` takes
    it; null: the backend's own."""
    box_threshold: float = Field(0.1, ge=0, le=1)
    """The least score of a box; weak boxes help to link a track."""
    found_threshold: float = Field(0.2, ge=0, le=1)
    """An object is found only if its best box reaches this score; else the answer is no-target.

    Words that do not fit (a colour, a size) lower scores, so this is well below that of sure boxes.
    """
    text_threshold: float = Field(0.2, ge=0, le=1)
    """The least score of a word of the expression that counts to a box's phrase; for detectors that
    read sentences."""
    max_boxes: int = Field(20, ge=1)
    """At most this many boxes a frame and target of an expression."""
    nms_threshold: float = Field(0.8, gt=0, le=1)
    """Of boxes that overlap more than this (IoU) the best is kept; 1: all are kept."""
    batch_size: int = Field(1, ge=1)
    """How many frames a learned detector looks at together; more are faster on a GPU."""
    options: dict[str, JsonValue] = {}
    """What only this backend knows; it checks them itself."""


class LinkerConfig(Section):
    """How `link_boxes` makes tracks of boxes."""

    max_tracks: int = Field(8, ge=1)
    """At most this many box tracks a target."""


class SegmenterConfig(Section):
    """The backend of `segment_video`."""

    name: str = "flow"
    """Which backend: `flow`, `sam2`, `edgetam`, `sam2-official`; a plug-in may bring others."""
    model: str | None = None
    """A hub id (with `@revision`), a local folder or file; null: the backend's own."""
    image_size: int | None = Field(None, ge=64)
    """The size in pixels at which it works: the short side for `flow`, the side of a square for
    learned ones; null: the backend's own."""
    prompt: Literal["box", "mask"] = "box"
    """What a learned segmenter makes of a box: its prompt, or the prompt of a mask on its frame,
    which then is the prompt, as the paper."""
    max_prompts: int | None = Field(8, ge=1)
    """At most so many prompts an object condition a learned segmenter; of more, those that are
    marked as starts and others at even distances are taken; null: no limit."""
    feature_memory: int = Field(512, ge=0)
    """MiB for features of frames that a learned segmenter will need once more, 64 at most."""
    offload: Literal["none", "cpu"] = "none"
    """`cpu`: what a learned segmenter remembers waits in the computer's memory, not the GPU's."""
    compile: bool = False
    """Whether a learned segmenter's image encoder is compiled by torch, which takes a minute or
    two at the start."""
    options: dict[str, JsonValue] = {}
    """What only this backend knows; it checks them itself."""


class TopBoxConfig(Section):
    """The strategy `top-box`."""

    pivot: Literal["first", "best"] = "first"
    """`first`: frame 0, as the paper; `best`: the sampled frame whose best box is surest."""


class OutputConfig(Section):
    """What lands in the run folder beside `result.json`, `masks/` and `masks.json`."""

    overlay: bool = True
    """The video with every object outlined, tinted and named."""
    report: bool = True
    """One page that shows what was chosen and why."""
    binary: bool = False
    """One folder of 0/255 masks an object, in `binary/`."""
