"""Everything that this library raises on purpose.

    AlrefError                      one line: what is wrong and what to do
    ├── InputError                  the user must change something (exit status 2)
    │   ├── ConfigError             an unknown or unusable setting, profile or expression
    │   ├── UnknownNameError        a tool, backend or strategy that is not registered
    │   ├── MissingPackageError     an optional package that is not installed
    │   ├── VideoError              a video, image folder or sound that cannot be read
    │   ├── OutputError             a run folder that cannot be used or written, a full disk
    │   ├── PromptError             a prompt file that cannot be read or rendered
    │   ├── ModelError              weights that cannot be found, loaded or held in memory
    │   ├── LlmError                an LLM that cannot be used: no key, no such model, no server
    │   └── BudgetError             the next call would pass llm.max_calls or llm.max_cost
    ├── LlmUnavailableError         an LLM that could be used did not answer, however often asked
    ├── ReplyError                  an LLM answered, and its reply cannot be used
    └── BackendError                a model or a plug-in broke its side of the interface

Messages never hold a secret, and never more than one line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AlrefError(Exception):
    """The root of the tree; `str(error)` is one line meant for the user."""

    exit_status = 1

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class InputError(AlrefError):
    """The user must change something; the command line ends with status 2."""

    exit_status = 2


class ConfigError(InputError):
    """A setting, profile or expression that cannot be used."""


class UnknownNameError(InputError):
    """A name that is not registered; the message shows the nearest and the known ones."""


class MissingPackageError(InputError):
    """An optional package is missing; the message names the extra to install."""


class VideoError(InputError):
    """A video, image folder or sound that cannot be read."""


class OutputError(InputError):
    """A run folder that cannot be used or written."""


class PromptError(InputError):
    """A prompt file that cannot be read, or a template that cannot be rendered."""


class ModelError(InputError):
    """Weights of a detector or segmenter that cannot be had, loaded or held in memory."""


class LlmError(InputError):
    """An LLM that cannot be used as asked: no key, no such model, no server, a refused request."""


class RequestRefusedError(LlmError):
    """The server does not take a request as it is, though it takes others: a picture, a setting."""


class BudgetError(InputError):
    """The next call would pass `llm.max_calls` or `llm.max_cost`; it was not made."""


class LlmUnavailableError(AlrefError):
    """An LLM did not answer, or answered with failures, as often as it was asked."""


class ReplyError(AlrefError):
    """A reply that cannot be used; what was said is kept."""

    def __init__(self, message: str, reply: str) -> None:
        super().__init__(message)
        self.reply = reply
        """The reply, verbatim."""


class BackendError(AlrefError):
    """A backend returned something that its interface does not allow."""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The message for an unknown name: what it is, the nearest match, the known names if few."""
    names = sorted(known)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    listed = f" Known: {', '.join(names) or 'none'}." if len(names) <= 12 or not nearest else ""
    return f"Unknown {kind} {name!r}.{hint}{listed}"
