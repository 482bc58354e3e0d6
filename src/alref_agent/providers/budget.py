"""Limits on calls and money, kept before a call is made."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from alref_agent.errors import BudgetError


@dataclass
class Charge:
    """One call: what it was expected to cost, then what it did."""

    expected: float | None
    actual: float | None = None
    """US dollars; None until it is known: the call failed, or was never answered."""


@dataclass
class Budget:
    """Counts calls and money over all threads.

    A call is a request that is sent, also one that fails: servers count those too.
    """

    max_calls: int | None = None
    max_cost: float | None = None
    """US dollars."""
    calls: int = 0
    spent: float = 0.0
    _open: list[float] = field(default_factory=list)
    """What each of the calls that are out now may cost."""
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)

    @contextmanager
    def call(self, expected: float | None, stop: threading.Event) -> Iterator[Charge]:
        """Hold the means for one call.

        Calls mostly cost less than they may. Where the limit allows this call, and those that are
        out might pass it together, it waits for them.

        Args:
            expected: US dollars that it may cost at most; None where that is unknown.
            stop: Set where nobody wants the call any more: the wait ends.

        Raises:
            BudgetError: The call could pass a limit; it must not be made.
        """
        cost = expected or 0.0
        with self._changed:
            self._check_calls()
            while not self._affords(cost):
                if not self._open or stop.is_set():
                    raise BudgetError(
                        f"llm.max_cost: ${self.spent:.4f} was spent and the next call may cost up "
                        f"to ${cost:.4f}, the limit is ${self.max_cost:g}; raise it with "
                        "--max-cost, or make replies shorter with llm.max_tokens."
                    )
                self._changed.wait(0.2)
                self._check_calls()
            self.calls += 1
            self._open.append(cost)
        charge = Charge(expected)
        try:
            yield charge
        finally:
            with self._changed:
                self._open.remove(cost)
                self.spent += charge.actual or 0.0
                self._changed.notify_all()

    def _check_calls(self) -> None:
        if self.max_calls is not None and self.calls >= self.max_calls:
            raise BudgetError(
                f"llm.max_calls: {self.calls} calls were made, the limit is {self.max_calls}; "
                "raise it with --max-calls."
            )

    def _affords(self, cost: float) -> bool:
        return self.max_cost is None or self.spent + sum(self._open) + cost <= self.max_cost
