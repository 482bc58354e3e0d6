"""What a run cost: calls, tokens, money, seconds; what went another way than it should."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from alref_agent.record import FallbackRecord, RunResult
from alref_agent.report.words import counted, cut, money, shorter, took

MOST_LISTED = 100
"""Fall-backs and warnings, each; `result.json` has all of them."""
_STAGES = {
    "sample_frames": "choosing frames",
    "contact_sheet": "joining frames into sheets",
    "detect_objects": "detecting",
    "link_boxes": "linking boxes into tracks",
    "segment_video": "segmenting",
    "write": "writing files",
    "llm": "the language model",
    "agent": "the language model",
    "pivot-frame": "step 1 of the language model",
    "pivot-box": "step 2 of the language model",
}
_FALLBACKS = {
    "pivot-frame": "step 1 had no usable answer",
    "pivot-box": "step 2 had no usable answer",
    "detect": "the model gave no usable boxes on a frame",
    "agent": "what the model did was not taken as it was",
    "top-box": "the best box of the first frame was looked for instead",
}


@dataclass(frozen=True)
class Stage:
    """A stage and its share of the time."""

    name: str
    took: str
    percent: float
    """Of the longest stage, for a bar."""


@dataclass(frozen=True)
class Fallback:
    """A fall-back that was taken."""

    expression: str
    what: str
    reason: str


@dataclass(frozen=True)
class Costs:
    """What the page says about cost."""

    asked: bool
    """Whether there was an LLM."""
    tiles: list[tuple[str, str]]
    """Number and what it counts."""
    models: list[str]
    """As they answered."""
    stages: list[Stage]
    total: str
    fallbacks: list[Fallback]
    more_fallbacks: int
    warnings: list[str]
    more_warnings: int


def costs(result: RunResult) -> Costs:
    """What a run cost."""
    texts = {reference.exp_id: reference.text for reference in result.references}
    warnings = list(dict.fromkeys(result.warnings))
    return Costs(
        asked=bool(result.requests or result.llm.calls or result.llm.cached),
        tiles=_tiles(result),
        models=result.llm.models,
        stages=_stages(result.seconds),
        total=took(sum(result.seconds.values())),
        fallbacks=[
            taken(fallback, texts.get(fallback.exp_id, ""))
            for fallback in result.fallbacks[:MOST_LISTED]
        ],
        more_fallbacks=max(0, len(result.fallbacks) - MOST_LISTED),
        warnings=[cut(warning, 4000) for warning in warnings[:MOST_LISTED]],
        more_warnings=max(0, len(warnings) - MOST_LISTED),
    )


def taken(fallback: FallbackRecord, expression: str = "") -> Fallback:
    """A fall-back in words."""
    return Fallback(
        expression=expression,
        what=_FALLBACKS.get(fallback.stage, shorter(fallback.stage)),
        reason=cut(fallback.reason, 4000),
    )


def _tiles(result: RunResult) -> list[tuple[str, str]]:
    llm = result.llm
    cost = "unknown" if llm.cost is None else money(llm.cost)
    return [
        (f"{llm.calls:,}", "call" if llm.calls == 1 else "calls"),
        (f"{llm.cached:,}", "answered already"),
        (f"{llm.repairs:,}", "repair turn" if llm.repairs == 1 else "repair turns"),
        (f"{llm.unusable:,}", "unusable reply" if llm.unusable == 1 else "unusable replies"),
        (f"{llm.input_tokens:,}", "tokens in"),
        (f"{llm.output_tokens:,}", "tokens out"),
        (cost, "US dollars" if llm.cost is not None else "US dollars: no price is known"),
        (f"{len(result.fallbacks):,}", "fall-back" if len(result.fallbacks) == 1 else "fall-backs"),
    ]


def _stages(seconds: Mapping[str, float]) -> list[Stage]:
    # What a plug-in says need not be a number.
    known = {name: spent if math.isfinite(spent) else 0.0 for name, spent in seconds.items()}
    longest = max(known.values(), default=0.0) or 1.0
    return [
        Stage(
            name=_STAGES.get(name, shorter(name.replace("_", " "))),
            took=took(spent),
            percent=round(min(100.0, max(0.0, 100 * spent / longest)), 1),
        )
        for name, spent in sorted(known.items(), key=lambda item: -item[1])
    ]


def in_words(result: RunResult) -> str:
    """One line on who reasoned."""
    if not result.requests:
        return "no language model"
    models = ", ".join(shorter(model, 40) for model in result.llm.models[:3])
    return f"{counted(len(result.requests), 'request')} to {models or 'a language model'}"
