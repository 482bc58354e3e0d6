"""How a request is sent: the one place where failures that may pass are tried again."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from functools import partial

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_any,
    stop_when_event_set,
    wait_random_exponential,
)

from alref_agent.errors import LlmError, LlmUnavailableError
from alref_agent.providers.budget import Budget
from alref_agent.providers.messages import Reply, Request
from alref_agent.providers.prices import Prices
from alref_agent.providers.provider import Provider, TransientError, UnreachableError, called


@dataclass(frozen=True)
class Policy:
    """How often and how patiently."""

    attempts: int = 5
    max_wait: float = 30.0
    """The longest wait in seconds, whatever the server asks."""
    first_wait: float = 0.5
    """About the first wait in seconds; each following one is about twice as long."""


class Sender:
    """Sends requests to one provider by the policy, within the budget; for any thread."""

    def __init__(
        self,
        provider: Provider,
        policy: Policy,
        budget: Budget,
        prices: Prices,
    ) -> None:
        self.provider = provider
        self._policy = policy
        self._budget = budget
        self._prices = prices
        self._called = called(provider.name, provider.model)
        self._reached = False

    def send(self, request: Request, stop: threading.Event) -> Reply:
        """The reply, with the seconds that it took and how often it was asked.

        Args:
            request: What is asked.
            stop: Set where nobody wants the answer any more: waits end, nothing is tried again.

        Raises:
            LlmUnavailableError: It failed as often as the policy allows, in ways that may pass.
            LlmError: It failed in a way that stays.
            BudgetError: The next call would pass a limit.
        """
        expected = self._prices.at_most(self.provider.model, request)
        retrying = Retrying(
            retry=retry_if_exception_type(TransientError),
            stop=stop_any(stop_after_attempt(self._policy.attempts), stop_when_event_set(stop)),
            wait=self._wait,
            sleep=partial(_sleep, stop),
            reraise=True,
        )
        started = time.perf_counter()
        try:
            for attempt in retrying:
                with attempt:
                    started = time.perf_counter()
                    with self._budget.call(expected, stop) as charge:
                        reply = self._complete(request)
                        cost = self._prices.cost(reply, self.provider.model)
                        # A server that counts no tokens is charged what was expected.
                        charge.actual = expected if cost is None else cost
        except TransientError as error:
            n = retrying.statistics.get("attempt_number", 1)
            times = "once" if n == 1 else f"{n} times"
            raise LlmUnavailableError(
                f"{self._called} was asked {times} and failed: {error}."
            ) from error
        return replace(
            reply,
            seconds=round(time.perf_counter() - started, 3),
            attempts=retrying.statistics["attempt_number"],
        )

    def _complete(self, request: Request) -> Reply:
        try:
            reply = self.provider.complete(request)
        except UnreachableError as error:
            if self._reached:
                raise
            # It never was up: waiting for it helps nobody.
            raise LlmError(
                f"{self._called} cannot be reached: {error}. Is the server up, and llm.base_url "
                "right?"
            ) from error
        self._reached = True
        return reply

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, TransientError) else None
        # Jitter keeps those that failed together from coming back together.
        own = wait_random_exponential(self._policy.first_wait, self._policy.max_wait)(state)
        return min(max(own, asked or 0.0), self._policy.max_wait)


def _sleep(stop: threading.Event, seconds: float) -> None:
    stop.wait(seconds)
