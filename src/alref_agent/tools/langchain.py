"""The typed tools as LangChain tools, for people who bring an agent of their own."""

from __future__ import annotations

import json
from typing import Any

from langchain_core.tools import StructuredTool, ToolException

from alref_agent.errors import InputError
from alref_agent.tools.tool import Tool, Toolbox
from alref_agent.workspace import Workspace


def langchain_tools(workspace: Workspace, tools: Toolbox) -> list[StructuredTool]:
    """Every tool of a toolbox, bound to one workspace.

    An agent sees a wrong argument as the text of the tool's answer, and can try again; errors that
    are not the agent's end its run.
    """
    return [_structured(workspace, tool) for tool in tools]


def _structured(workspace: Workspace, tool: Tool[Any, Any]) -> StructuredTool:
    def call(**arguments: Any) -> str:
        try:
            # LangChain hands over nested models; the tool checks plain data itself.
            plain = tool.arguments.model_validate(arguments).model_dump(mode="json")
            return json.dumps(tool(workspace, **plain).model_dump(mode="json"))
        except InputError as error:
            raise ToolException(str(error)) from error

    return StructuredTool.from_function(
        call,
        name=tool.name,
        description=tool.summary,
        args_schema=tool.arguments,
        handle_tool_error=True,
    )
