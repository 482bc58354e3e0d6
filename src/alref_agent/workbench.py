"""The typed tools without a strategy: one call, or a server, over one workspace folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from alref_agent import build
from alref_agent.config import Config
from alref_agent.errors import ConfigError, InputError, MissingPackageError
from alref_agent.media.video import open_video
from alref_agent.progress import Progress
from alref_agent.providers.assembly import llm
from alref_agent.run_folder import hold_folder
from alref_agent.tools.assembly import Asking, toolbox
from alref_agent.tools.tool import Result, Toolbox
from alref_agent.workspace import Workspace


def run_tool(
    name: str,
    arguments: Mapping[str, Any],
    folder: Path,
    source: str | None,
    config: Config,
    progress: Progress | None = None,
) -> Result:
    """Run one tool in a workspace folder, which is made where there is none.

    Args:
        name: The tool's name.
        arguments: The tool's arguments.
        folder: The workspace.
        source: The video; needed, and only taken, where the folder is new.
        config: Which backends the tool uses.
        progress: Who listens to how far the work is.

    Raises:
        ConfigError: Arguments that the tool does not take; a folder without a video.
    """
    tool = toolbox(config).named(name)
    if tool.backend_kind in build.asking_backends(config):
        build.check(config)
    elif tool.backend_kind:  # the others are not needed, and may not be here
        build.check_backends(config, [tool.backend_kind])
    tool.check(arguments)
    with tool_workspace(folder, source, progress) as workspace:
        if tool.backend_kind in build.asking_backends(config):
            tool = _tools(config, workspace).named(name)
        result: Result = tool(workspace, **arguments)
        return result


def serve_tools(folder: Path, source: str | None, config: Config) -> None:
    """Offer all tools over one workspace to an MCP client, until it goes.

    Args:
        folder: The workspace.
        source: The video; needed, and only taken, where the folder is new.
        config: Which backends the tools use.

    Raises:
        MissingPackageError: The package `mcp` is not installed.
        ConfigError: A folder without a video.
    """
    try:
        from alref_agent.serve.mcp import serve_stdio
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"Serving tools needs the package {error.name!r}: pip install 'alref-agent[mcp]'"
        ) from error
    build.check(config)
    with tool_workspace(folder, source) as workspace:
        serve_stdio(workspace, _tools(config, workspace))


def _tools(config: Config, workspace: Workspace) -> Toolbox:
    """All tools; replies of an LLM that a backend asks are kept in the workspace, as in a run."""
    if not build.asking_backends(config):
        return toolbox(config)
    asked = llm(build.llm_config(config), workspace.folder)
    return toolbox(config, Asking(asked, workspace))


@contextmanager
def tool_workspace(
    folder: str | Path, source: str | None = None, progress: Progress | None = None
) -> Iterator[Workspace]:
    """A workspace for tools that are called one by one, made where there is none.

    Args:
        folder: The workspace.
        source: The video; needed, and only taken, where the folder is new.
        progress: Who listens to how far the work is.

    Raises:
        ConfigError: A new folder without a video, or an old one with another.
        OutputError: It cannot be made or written.
    """
    folder = Path(folder).expanduser()
    if folder.is_dir() and Workspace.is_one(folder):
        with closing(Workspace.open(folder, progress)) as workspace:
            made_for = workspace.video.source.resolve()
            if source is not None and Path(source).resolve() != made_for:
                raise ConfigError(f"{folder} is for {made_for}: give another --workspace.")
            yield workspace
        return
    if source is None:
        raise ConfigError(f"{folder} is no workspace yet: say which video with --video.")
    video = open_video(source)
    with hold_folder(folder, video.source, resume=True, overwrite=False) as held:
        try:
            with closing(Workspace.create(folder, video, {}, progress)) as workspace:
                yield workspace
        except InputError:  # a first call that is refused leaves nothing behind
            held.give_up()
            raise
