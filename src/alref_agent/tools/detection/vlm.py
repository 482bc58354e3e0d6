"""The detector `vlm`: boxes asked of the LLM itself, for people who have no detector.

One question a frame and expression, in the same way as every other question of the run: by one
policy, within one budget, from one store of replies, with one repair turn. A frame whose reply
cannot be used even then counts as one without boxes, and the record says so.

Scores are the confidence that the LLM states, or 1. They are not calibrated, so
`detector.found_threshold` and `detector.box_threshold` mean little here: an LLM that sees nothing
that fits answers with an empty list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self, TypeAlias

import numpy as np

from alref_agent.config import Config
from alref_agent.errors import LlmError
from alref_agent.providers.llm import Outcome, Question
from alref_agent.providers.messages import Request
from alref_agent.tools.assembly import Asking
from alref_agent.tools.detection.vlm_boxes import DetectAnswer
from alref_agent.tools.detection.vlm_conventions import CONVENTIONS, Convention
from alref_agent.tools.detection.vlm_questions import DETECT, BoxQuestions, convention
from alref_agent.tools.detection.words import parse
from alref_agent.types import Detections, Frame, Grounding, Target

MOST_FRAMES = 32
"""At once: their pixels are in memory together."""

_Look: TypeAlias = tuple[int, str]
"""A frame and an expression."""
_Outcome: TypeAlias = Outcome[DetectAnswer]


class Vlm:
    """See the module. `coordinates` among the options says how the LLM writes boxes."""

    asks_llm = True
    llm_step = DETECT

    def __init__(self, questions: BoxQuestions, asking: Asking, config: Config) -> None:
        """Take the parts; reads `detector`, `llm` and `sampling`."""
        self._questions = questions
        self._asking = asking
        self._config = config
        # Twice what is out at once: the slowest reply of a batch is not waited for by all.
        self.batch_size = min(MOST_FRAMES, 2 * config.llm.concurrency)
        self._exchange = asking.llm.exchange(DETECT)
        self._known: dict[str, _Outcome] = {}
        # A replay has no model of its own: see `_recorded`.
        replays = self._exchange.provider.replays and convention(config) is None
        self._convention: Convention | None = None if replays else questions.convention

    @classmethod
    def from_config(cls, config: Config, asking: Asking) -> Self:
        """Take the LLM; nothing is sent.

        Raises:
            ConfigError: The LLM does not see; an option that is not known.
            PromptError: The prompt that the settings name cannot be used.
        """
        return cls(BoxQuestions(asking.llm, config, asking.workspace.folder), asking, config)

    @classmethod
    def check(cls, config: Config) -> None:
        """Raise what can be told from the settings alone."""
        convention(config)

    @property
    def version(self) -> str:
        """Who is asked, with which prompt."""
        prompt = self._questions.prompt
        return f"{self._exchange.asked} {prompt.id} {prompt.digest}"

    @property
    def settings(self) -> dict[str, Any]:
        """What can change its results, besides `config.detector`: all that is sent."""
        sampling, llm = self._config.sampling, self._config.llm
        return {
            "asked": self.version,
            "max_side": sampling.max_side,
            "max_bytes": sampling.max_bytes,
            "llm": llm.model_dump(
                mode="json", include={"temperature", "max_tokens", "detail", "options", "repeat"}
            ),
        }

    def ground(self, expression: str) -> Grounding:
        """The expression itself is the one target; how many it asks for is read from its words."""
        wanted = sum(phrase.wanted for phrase in parse(expression).phrases if not phrase.owned)
        count = max(1, min(wanted, self._config.detector.max_boxes))
        target = Target(expression, expression, 1.0, count)
        return Grounding((target,), "Its boxes are asked of an LLM.")

    def detect(
        self,
        frames: Mapping[int, Frame],
        expressions: Sequence[str],
        box_threshold: float | None = None,
    ) -> Sequence[Sequence[Detections]]:
        """The boxes that the LLM gives, all questions asked together.

        Raises:
            LlmError, LlmUnavailableError, BudgetError: As every question.
        """
        least = self._config.detector.box_threshold if box_threshold is None else box_threshold
        if self._convention is None and frames and expressions:
            self._convention = self._recorded(*next(iter(frames.items())), expressions[0])
        asked = {
            (i, text): self._question(i, frames[i], text) for i in frames for text in expressions
        }
        outcomes = self._ask(asked)
        for (i, text), outcome in outcomes.items():
            if outcome.answer is None:
                self._asking.workspace.warn(
                    f"The LLM gave no usable boxes of {text!r} on frame {i}, which counts as one "
                    f"without: {outcome.problem}"
                )
        return [
            [_detections(i, outcomes[i, text].answer, text, least) for text in expressions]
            for i in frames
        ]

    def plan(self, frames: Mapping[int, Frame], expressions: Sequence[str]) -> list[Request]:
        """What `detect` would send, repair turns apart; for `--dry-run`."""
        return [
            self._asking.llm.request(self._questions.question(i, frame, text, keep=False))
            for i, frame in frames.items()
            for text in expressions
        ]

    def _question(self, frame_idx: int, frame: Frame, expression: str) -> Question[DetectAnswer]:
        exp_id = self._asking.exp_ids.get(expression, "")
        return self._questions.question(frame_idx, frame, expression, exp_id, self._convention)

    def _ask(self, asked: Mapping[_Look, Question[DetectAnswer]]) -> dict[_Look, _Outcome]:
        """The outcomes; strategies look at a frame more than once, and it is asked about once."""
        keys = {look: self._asking.llm.request(question).digest for look, question in asked.items()}
        new = {keys[look]: question for look, question in asked.items()}
        new = {key: question for key, question in new.items() if key not in self._known}
        if new:
            outcomes = self._asking.ask(list(new.values()), DETECT)
            self._known |= dict(zip(new, outcomes, strict=True))
        return {look: self._known[key] for look, key in keys.items()}

    def _recorded(self, frame_idx: int, frame: Frame, expression: str) -> Convention:
        """The convention in which a replayed run asked: the one whose question has a reply."""
        for way in CONVENTIONS.values():
            question = self._questions.question(frame_idx, frame, expression, "", way, keep=False)
            try:
                self._exchange.provider.complete(self._asking.llm.request(question))
            except LlmError:
                continue
            return way
        return self._questions.convention


def _detections(
    frame_idx: int, answer: DetectAnswer | None, expression: str, least: float
) -> Detections:
    kept = [] if answer is None else [n for n, s in enumerate(answer.scores) if s >= least]
    n = len(kept)
    boxes, labels, scores = (answer.boxes, answer.labels, answer.scores) if answer else ((), (), ())
    return Detections(
        frame_idx,
        np.array([boxes[k] for k in kept], np.float32).reshape(n, 4),
        np.array([scores[k] for k in kept], np.float32),
        tuple(labels[k] or expression for k in kept),
        np.zeros(n, np.int32),
    )
