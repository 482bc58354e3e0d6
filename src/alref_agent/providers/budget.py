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
    _open: float = 0.0
    """What the calls that are out now are expected to cost."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def call(self, expected: float | None) -> Iterator[Charge]:
        """Hold the means for one call.

        Args:
            expected: US dollars that it may cost at most; None where that is unknown.

        Raises:
            BudgetError: The call would pass a limit; it must not be made.
        """
        cost = expected or 0.0
        with self._lock:
            if self.max_calls is not None and self.calls + 1 > self.max_calls:
                raise BudgetError(
                    f"llm.max_calls: {self.calls} calls were made, the limit is {self.max_calls}; "
                    "raise it with --max-calls."
                )
            total = self.spent + self._open + cost
            if self.max_cost is not None and total > self.max_cost:
                raise BudgetError(
                    f"llm.max_cost: the next call could bring the cost to ${total:.4f} "
                    f"(${self.spent:.4f} spent), the limit is ${self.max_cost:g}; raise it with "
                    "--max-cost."
                )
            self.calls += 1
            self._open += cost
        charge = Charge(expected)
        try:
            yield charge
        finally:
            with self._lock:
                self._open -= cost
                self.spent += charge.actual or 0.0
