"""The typed tools: each has its interface, its arguments and result, and beside it its backends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alref_agent.tools.langchain import langchain_tools

__all__ = ["langchain_tools"]


def __getattr__(name: str) -> Any:
    """Import what needs LangChain when it is asked for.

    Raises:
        AttributeError: There is no such name.
        MissingPackageError: LangChain is not installed.
    """
    if name != "langchain_tools":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from alref_agent.tools.langchain import langchain_tools
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "alref_agent":  # a bug of our own: show it
            raise
        from alref_agent.errors import MissingPackageError

        raise MissingPackageError(
            f"langchain_tools needs the package {error.name!r}, which is not installed: "
            "pip install 'alref-agent[langchain]'"
        ) from error
    return langchain_tools
