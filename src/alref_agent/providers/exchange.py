"""A request goes in, a reply comes out: from the run itself, from earlier runs, or from an LLM."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from alref_agent.errors import AlrefError
from alref_agent.providers.messages import Reply, Request, ToolCall
from alref_agent.providers.policy import Sender
from alref_agent.providers.prices import Prices
from alref_agent.providers.provider import Provider, called
from alref_agent.providers.replay import unrecorded
from alref_agent.providers.reply_store import Kept, Replies, ReplyStore, reply_key
from alref_agent.providers.secrets import Blotter
from alref_agent.record import ReplySource


@dataclass(frozen=True)
class Answered:
    """A reply and where it came from."""

    reply: Reply
    key: str
    """Its name in the store."""
    asked: str
    """Who was asked: `openai:gpt-4.1`."""
    source: ReplySource
    cost: float | None
    """US dollars that it cost this run; None: unknown."""


class Exchange:
    """Gives replies to requests; for any thread. Secrets never leave it, in replies or errors."""

    def __init__(
        self,
        provider: Provider,
        sender: Sender,
        prices: Prices,
        *,
        own: ReplyStore | None = None,
        cache: ReplyStore | None = None,
        given: Sequence[Replies] = (),
        blot: Blotter | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            provider: Who answers what is found nowhere.
            sender: Asks the provider.
            prices: What that costs.
            own: The record of this run; None keeps none.
            cache: Replies of other runs; None asks for everything.
            given: Where replies are taken from first, as of a run that is done again.
            blot: What blots out secrets.
        """
        self.provider = provider
        self._sender = sender
        self._prices = prices
        self._own = own
        self._cache = cache
        self._given = given
        self._blot = blot or Blotter()
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    @property
    def asked(self) -> str:
        """Who is asked: `openai:gpt-4.1`."""
        return called(self.provider.name, self.provider.model)

    def key(self, request: Request) -> str:
        """The name of a request's reply."""
        return reply_key(self.provider.name, self.provider.model, request)

    def known(self, request: Request) -> bool:
        """Whether the reply is there already, so that nobody need be asked."""
        key = self.key(request)
        stores = [self._own, *self._given, self._cache]
        return any(store is not None and store.get(key, request.digest) for store in stores)

    def reply(self, request: Request, stop: threading.Event) -> Answered:
        """The reply to a request.

        Args:
            request: What is asked.
            stop: Set where nobody wants the answer any more.

        Raises:
            LlmError, LlmUnavailableError, BudgetError: There is none; see `Sender`.
        """
        key = self.key(request)
        with self._lock_of(key):  # the same question twice at once is asked once
            return self._reply(key, request, stop)

    def _reply(self, key: str, request: Request, stop: threading.Event) -> Answered:
        if self._own is not None and (kept := self._own.get(key, request.digest)):
            return self._answered(key, kept, kept.source)
        for store in (*self._given, self._cache):
            if store is not None and (kept := store.get(key, request.digest)):
                source: ReplySource = "cache" if store is self._cache else "replay"
                kept = replace(kept, source=source)
                if self._own is not None:
                    self._own.put(key, kept, request)
                return self._answered(key, kept, source)
        origin: ReplySource = "replay" if self.provider.replays else "llm"
        try:
            reply = self._clean(self._sender.send(request, stop))
        except AlrefError as error:
            raise self._blotted(unrecorded(error) if self._given else error) from None
        kept = Kept(self.provider.name, self.provider.model, request.digest, reply, origin)
        for store in (self._own, self._cache if origin == "llm" else None):
            if store is not None:
                store.put(key, kept, request)
        return self._answered(key, kept, origin)

    def _answered(self, key: str, kept: Kept, source: ReplySource) -> Answered:
        cost = self._prices.cost(kept.reply, kept.model) if source == "llm" else 0.0
        return Answered(kept.reply, key, self.asked, source, cost)

    def clean(self, value: Any) -> Any:
        """JSON-like data without secrets: what was read from a reply may hold what it escaped."""
        return self._blot.deep(value)

    def _clean(self, reply: Reply) -> Reply:
        calls = tuple(
            ToolCall(self._blot(c.id), self._blot(c.name), self.clean(c.arguments))
            for c in reply.tool_calls
        )
        return replace(
            reply, text=self._blot(reply.text), model=self._blot(reply.model), tool_calls=calls
        )

    def _blotted(self, error: AlrefError) -> AlrefError:
        return type(error)(self._blot(str(error)))

    def _lock_of(self, key: str) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(key, threading.Lock())
