"""The typed tools behind a Model Context Protocol server, over one workspace."""

from __future__ import annotations

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    TextContent,
    Tool,
)

from alref_agent._version import __version__
from alref_agent.errors import AlrefError
from alref_agent.tools.tool import Toolbox
from alref_agent.workspace import Workspace


def server(workspace: Workspace, tools: Toolbox) -> Server:
    """A server that offers every tool of a toolbox; errors are answers that say what is wrong."""

    async def list_tools(context: object, request: object) -> ListToolsResult:
        return ListToolsResult(
            tools=[
                Tool(
                    name=tool.name,
                    description=tool.summary,
                    input_schema=tool.arguments.model_json_schema(),
                    output_schema=tool.result.model_json_schema(),
                )
                for tool in tools
            ]
        )

    async def call_tool(context: object, request: CallToolRequestParams) -> CallToolResult:
        try:
            # In this thread: one call after the other, so that ids come in the order of the calls.
            result = tools.named(request.name)(workspace, **(request.arguments or {}))
        except AlrefError as error:
            return CallToolResult(content=[TextContent(text=str(error))], is_error=True)
        return CallToolResult(
            content=[TextContent(text=result.model_dump_json())],
            structured_content=result.model_dump(mode="json"),
        )

    return Server(
        "alref-agent", version=__version__, on_list_tools=list_tools, on_call_tool=call_tool
    )


def serve_stdio(workspace: Workspace, tools: Toolbox) -> None:
    """Serve on standard input and output until the client goes."""

    async def serve() -> None:
        app = server(workspace, tools)
        async with stdio_server() as (read, write):
            await app.run(read, write, app.create_initialization_options())

    anyio.run(serve)
