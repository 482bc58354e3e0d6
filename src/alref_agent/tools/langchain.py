"""The typed tools as LangChain tools, for people who bring an agent of their own."""

from __future__ import annotations

import json
from typing import Any

from langchain_core.tools import StructuredTool, ToolException
from langchain_core.utils.function_calling import convert_to_openai_function

from alref_agent.config import load_config
from alref_agent.errors import InputError, MissingPackageError, OutputError
from alref_agent.tools.assembly import toolbox
from alref_agent.tools.tool import Arguments, Tool, Toolbox
from alref_agent.workspace import Workspace

NOT_THE_AGENTS = (MissingPackageError, OutputError)
"""Errors of which an agent need not hear: nothing that it does makes them go away."""


def langchain_tools(workspace: Workspace, tools: Toolbox | None = None) -> list[StructuredTool]:
    """Every tool of a toolbox, bound to one workspace.

    An agent sees a wrong argument as the text of the tool's answer, and can try again; errors that
    are not the agent's (a package that is missing, a full disk, a broken backend) end its run. The
    tools may be called from any thread; they wait for one another.

    Args:
        workspace: The video and what is known about it.
        tools: The tools; None: all of them, with the settings of the workspace's run, or with the
            defaults where it was made for no run.

    Raises:
        ConfigError: The workspace's settings are not those of this version.
    """
    chosen = tools if tools is not None else toolbox(load_config(settings=workspace.settings or ()))
    return [_structured(workspace, tool) for tool in chosen]


def schema_of(arguments: type[Arguments]) -> dict[str, Any]:
    """The arguments of a tool as JSON schema, written out without references."""
    parameters: dict[str, Any] = convert_to_openai_function(arguments)["parameters"]
    return parameters


def _structured(workspace: Workspace, tool: Tool[Any, Any]) -> StructuredTool:
    def call(**arguments: Any) -> str:
        try:
            return json.dumps(tool(workspace, **arguments).model_dump(mode="json"))
        except NOT_THE_AGENTS:
            raise
        except InputError as error:
            raise ToolException(str(error)) from error

    return StructuredTool.from_function(
        call,
        name=tool.name,
        description=tool.summary,
        # As a schema, not as a model: the tool checks its arguments itself, and says it better.
        args_schema=schema_of(tool.arguments),
        handle_tool_error=True,
    )
