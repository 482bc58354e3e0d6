"""Asking an LLM: one request, one policy, one record, whoever the provider is.

A question goes to the store first, then, by the policy and within the budget, to the provider; a
reply that cannot be used gets one repair turn, which shows the LLM its own words and what is wrong
with them. What follows after that is the strategy's to declare.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from alref_agent.errors import ReplyError
from alref_agent.progress import Progress, Silent
from alref_agent.prompts.library import PromptLibrary
from alref_agent.prompts.prompt import Prompt, Rendered
from alref_agent.providers.account import request_record
from alref_agent.providers.exchange import Answered, Exchange
from alref_agent.providers.messages import Message, Picture, Reply, Request, Sampling
from alref_agent.providers.threads import begin
from alref_agent.record import LlmUsage, PromptRecord, RequestRecord

A = TypeVar("A", bound=BaseModel)

REPAIR = (
    "This reply cannot be used: {problem}\n"
    "Answer the same question again, in exactly the form that it asks for."
)


@dataclass(frozen=True)
class Question(Generic[A]):
    """What is asked, and how the answer is read."""

    rendered: Rendered
    pictures: tuple[Picture, ...]
    read: Callable[[str], A]
    """The reply's text -> the answer; raises `ReplyError` where it cannot be used."""
    exp_id: str
    frames: tuple[int, ...]
    """`frame_idx` of picture 1, 2, …, for the record."""


@dataclass(frozen=True)
class Outcome(Generic[A]):
    """What came of a question."""

    answer: A | None
    problem: str = ""
    """Why there is no answer."""


@dataclass
class _Asked(Generic[A]):
    outcome: Outcome[A]
    records: list[RequestRecord] = field(default_factory=list)


class Llm:
    """All that a strategy knows of LLMs."""

    def __init__(
        self,
        exchange: Exchange,
        sampling: Sampling,
        library: PromptLibrary,
        concurrency: int = 8,
        steps: Mapping[str, Exchange] | None = None,
        repeat: int = 0,
    ) -> None:
        """Put the parts together.

        Args:
            exchange: Gives the replies.
            sampling: How replies are drawn.
            library: Where prompts are found.
            concurrency: How many requests are out at once.
            steps: Step -> who is asked instead in that step.
            repeat: Part of every request; another number asks anew.
        """
        self.library = library
        """Where prompts are found."""
        self._exchange = exchange
        self._steps = dict(steps or {})
        self._sampling = sampling
        self._concurrency = concurrency
        self._repeat = repeat
        self._prompts: dict[str, PromptRecord] = {}
        self.requests: list[RequestRecord] = []
        """The record, in the order of the questions."""
        self.seconds: dict[str, float] = {}
        """Step -> how long it was waited for, however many were asked at once."""

    @property
    def prompts(self) -> list[PromptRecord]:
        """The prompts that were used."""
        return list(self._prompts.values())

    def exchange(self, step: str) -> Exchange:
        """Who is asked in a step."""
        return self._steps.get(step, self._exchange)

    def request(self, question: Question[A]) -> Request:
        """A question as it is sent."""
        system, text = question.rendered.system, question.rendered.text
        messages = [Message("system", (system,))] if system.strip() else []
        messages.append(Message("user", (*question.pictures, text)))
        return self._request(messages, question)

    def ask(
        self, questions: Sequence[Question[A]], progress: Progress | None = None, stage: str = ""
    ) -> list[Outcome[A]]:
        """Ask all questions, as many at once as is allowed.

        Returns:
            An outcome for every question, in order.

        Raises:
            LlmError: The LLM cannot be used as asked.
            LlmUnavailableError: It did not answer, however often it was asked.
            BudgetError: The next call would pass a limit. Replies that came are kept, whatever is
                raised.
        """
        for question in questions:
            self._note(question.rendered.prompt)
        if not questions:
            return []
        stop = threading.Event()
        started = time.perf_counter()
        futures = begin(lambda question: self._ask(question, stop), questions, self._concurrency)
        try:
            self._until_done(futures, progress or Silent(), stage)
        except BaseException as error:
            # Nobody wants the other answers.
            stop.set()
            for future in futures:
                future.cancel()
            if isinstance(error, Exception):
                # Those that are on their way are paid for, and kept; an interrupt waits for none.
                wait(futures)
            raise
        self._waited(questions[0].rendered.prompt.step, started)
        asked = [future.result() for future in futures]
        for each in asked:
            self.requests += each.records
        return [each.outcome for each in asked]

    def say(self, request: Request, step: str, exp_id: str = "") -> Answered:
        """One turn of a conversation; recorded by the caller, with `record`.

        Raises:
            LlmError, LlmUnavailableError, BudgetError: As `ask`.
        """
        started = time.perf_counter()
        answered = self.exchange(step).reply(request, threading.Event())
        self._waited(step, started)
        return answered

    def conversation(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()
    ) -> Request:
        """A conversation as it is sent.

        Args:
            messages: All turns so far.
            tools: Tools that may be called, each `{"name", "description", "parameters"}`.
        """
        return Request(tuple(messages), self._sampling, tools=tuple(tools), repeat=self._repeat)

    def record(self, prompt: Prompt, record: RequestRecord) -> None:
        """Write down a turn of a conversation that began with a prompt."""
        self._note(prompt)
        self.requests.append(record)

    def usage(self) -> LlmUsage:
        """All requests together."""
        paid = [r for r in self.requests if r.source == "llm"]
        costs = [r.cost for r in paid]
        return LlmUsage(
            calls=len(paid),
            cached=len(self.requests) - len(paid),
            repairs=sum(r.repair for r in self.requests),
            unusable=sum(r.understood is None for r in self.requests),
            input_tokens=sum(r.input_tokens or 0 for r in paid),
            output_tokens=sum(r.output_tokens or 0 for r in paid),
            cost=None if None in costs else round(sum(c for c in costs if c is not None), 6),
            models=sorted({r.answered_by for r in self.requests}),
        )

    def _waited(self, step: str, started: float) -> None:
        spent = time.perf_counter() - started
        self.seconds[step] = round(self.seconds.get(step, 0.0) + spent, 3)

    def _note(self, prompt: Prompt) -> None:
        self._prompts.setdefault(
            prompt.id,
            PromptRecord(
                step=prompt.step, id=prompt.id, digest=prompt.digest, source=prompt.source
            ),
        )

    def _until_done(
        self, futures: Sequence[Future[_Asked[A]]], progress: Progress, stage: str
    ) -> None:
        """Wait for all, telling how many are done; the first error is raised."""

        def finished() -> Iterator[None]:
            pending = set(futures)
            while pending:
                # The time-out lets an interrupt through on every platform.
                done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    error = future.exception()
                    if error is not None:
                        raise error
                    yield None

        for _ in progress.track(finished(), stage, len(futures)):
            pass

    def _ask(self, question: Question[A], stop: threading.Event) -> _Asked[A]:
        request = self.request(question)
        asked: _Asked[A] = _Asked(Outcome(None))
        exchange = self.exchange(question.rendered.prompt.step)
        for repair in (False, True):
            answered = exchange.reply(request, stop)
            try:
                answer = read(answered.reply, question.read)
                asked.outcome = Outcome(
                    type(answer).model_validate(exchange.clean(answer.model_dump()))
                )
            except ReplyError as error:
                asked.outcome = Outcome(None, str(error))
            asked.records.append(
                request_record(
                    question.rendered.prompt,
                    request,
                    answered,
                    text=request.messages[-1].words,
                    exp_id=question.exp_id,
                    frames=question.frames,
                    pictures=question.pictures,
                    understood=asked.outcome.answer,
                    problem=asked.outcome.problem,
                    repair=repair,
                )
            )
            if asked.outcome.answer is not None or stop.is_set():
                break
            request = self._repair(request, answered.reply, asked.outcome.problem, question)
        return asked

    def _repair(
        self, request: Request, reply: Reply, problem: str, question: Question[A]
    ) -> Request:
        said = Message("assistant", (reply.text or "(nothing)",))
        complaint = Message("user", (REPAIR.format(problem=problem),))
        return self._request([*request.messages, said, complaint], question)

    def _request(self, messages: Sequence[Message], question: Question[A]) -> Request:
        prompt = question.rendered.prompt
        return Request(
            tuple(messages),
            self._sampling,
            prompt.schema if prompt.reply == "json" else None,
            repeat=self._repeat,
        )


def read(reply: Reply, reader: Callable[[str], A]) -> A:
    """What a reply says.

    Raises:
        ReplyError: It was cut off, refused, empty, no text, or cannot be read as an answer.
    """
    if reply.finish == "length":
        raise ReplyError("it was cut off at the limit of tokens (llm.max_tokens).", reply.text)
    if reply.finish == "refusal":
        raise ReplyError("the LLM refused to answer.", reply.text)
    if reply.finish == "unreadable":
        raise ReplyError("it is no text (UTF-8).", reply.text)
    if not reply.text.strip():
        raise ReplyError("it is empty.", reply.text)
    return reader(reply.text)
