"""One tool, five callers: here LangChain, MCP and the command line give what a call gives."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from alref_agent.workspace import Workspace
from doubles import N_FRAMES, big_square, toolbox, workspace

SAMPLE = {"step": 5}


@pytest.fixture
def space(tmp_path: Path, frames_folder: Path) -> Workspace:
    return workspace(tmp_path / "run", frames_folder)


def test_langchain(space: Workspace) -> None:
    pytest.importorskip("langchain_core", reason="the extra `langchain` is not installed")
    from alref_agent.tools import langchain_tools

    tools = {tool.name: tool for tool in langchain_tools(space, toolbox())}
    assert set(tools) == {tool.name for tool in toolbox()}
    answer = json.loads(tools["sample_frames"].invoke(SAMPLE))
    assert answer == toolbox().named("sample_frames")(space, **SAMPLE).model_dump(mode="json")
    prompt = {"frame_idx": 0, "box": list(big_square(0))}
    objects = [{"obj_id": 1, "prompts": [prompt]}]
    done = json.loads(tools["segment_video"].invoke({"objects": objects}))
    assert done["objects"][0]["n_frames"] >= 1
    # What the agent got wrong is told to the agent.
    wrong = tools["detect_objects"].invoke({"frames": [99], "expressions": ["a square"]})
    assert wrong == f"There is no frame 99: the video has 0 to {N_FRAMES - 1}."
    assert (
        tools["sample_frames"]
        .invoke({"stepp": 5})
        .startswith("Unknown argument of sample_frames 'stepp'. Did you mean 'step'?")
    )
    assert [call.tool for call in space.calls()] == ["sample_frames", "segment_video"]


def test_langchain_with_only_the_workspace(tmp_path: Path, frames_folder: Path) -> None:
    pytest.importorskip("langchain_core", reason="the extra `langchain` is not installed")
    from alref_agent import tools
    from alref_agent.config import load_config
    from alref_agent.media.video import open_video
    from alref_agent.pipeline import decisive

    def segment(folder: Path, request: dict[str, Any]) -> str:
        folder.mkdir()
        with closing(Workspace.create(folder, open_video(frames_folder), request)) as space:
            named = {tool.name: tool for tool in tools.langchain_tools(space)}
            assert set(named) >= {tool.name for tool in toolbox()}
            prompt = {"frame_idx": 0, "box": list(big_square(0))}
            objects = [{"obj_id": 1, "prompts": [prompt]}]
            return str(named["segment_video"].invoke({"objects": objects}))

    assert json.loads(segment(tmp_path / "alone", {}))["masks"] == "masks-1"
    # In the workspace of a run the tools are set as they were for the run.
    config = load_config(settings=["segmenter.name=flaw"], environment={})
    said = segment(tmp_path / "run", {"text": ["x"], "config": decisive(config)})
    assert said.startswith("Unknown segmenter 'flaw'. Did you mean 'flow'?")
    with pytest.raises(AttributeError, match="no attribute 'langchain_tool'"):
        _ = tools.langchain_tool


def test_importing_the_tools_does_not_import_langchain() -> None:
    code = "import sys, alref_agent.tools; print([m for m in sys.modules if 'lang' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_agent_of_ones_own(space: Workspace) -> None:
    """LangChain calls the tools of a turn side by side, in threads of its own."""
    pytest.importorskip("langchain", reason="the extra `llm` is not installed")
    from langchain.agents import create_agent
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, ToolMessage
    from langchain_core.outputs import ChatGeneration, ChatResult

    from alref_agent.tools import langchain_tools

    calls: list[dict[str, Any]] = [
        {"name": "detect_objects", "args": {"frames": [i], "expressions": ["the big square"]}}
        for i in range(8)
    ]
    prompt = {"frame_idx": 3, "box": list(big_square(3))}
    objects = [{"obj_id": 1, "prompts": [prompt]}]
    turns = [
        calls,
        [{"name": "segment_video", "args": {}}],
        [{"name": "segment_video", "args": {"objects": objects}}],
    ]

    class Scripted(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "scripted"

        def bind_tools(self, tools: Any, **more: Any) -> Any:
            return self

        def _generate(self, messages: Any, *_: Any, **more: Any) -> ChatResult:
            n = sum(isinstance(message, AIMessage) for message in messages)
            wanted = turns[n] if n < len(turns) else []
            made = [{**call, "id": f"{n}-{i}"} for i, call in enumerate(wanted)]
            answer = AIMessage("" if wanted else "Done.", tool_calls=made)
            return ChatResult(generations=[ChatGeneration(message=answer)])

    agent = create_agent(Scripted(), langchain_tools(space, toolbox()))
    said = agent.invoke({"messages": [{"role": "user", "content": "Find the big square."}]})
    told = [m for m in said["messages"] if isinstance(m, ToolMessage)]
    ids = [json.loads(str(m.content))["detections"][0]["id"] for m in told[:8]]
    assert sorted(ids) == [f"detections-{n}" for n in range(1, 9)]
    assert (told[8].content, told[8].status) == (
        "segment_video: objects: Field required.",
        "error",
    )
    masks = json.loads(str(told[9].content))["masks"]
    x0, y0, x1, y1 = big_square(3)
    assert space.masks_on(masks, 3)[1][y0:y1, x0:x1].all()
    assert said["messages"][-1].content == "Done."
    assert [call.tool for call in space.calls()] == ["detect_objects"] * 8 + ["segment_video"]


def test_mcp(space: Workspace) -> None:
    mcp = pytest.importorskip("mcp", reason="the extra `mcp` is not installed")
    from alref_agent.serve.mcp import server

    async def talk() -> tuple[Any, Any, Any]:
        async with mcp.Client(server(space, toolbox())) as client:
            return (
                (await client.list_tools()).tools,
                await client.call_tool("sample_frames", SAMPLE),
                await client.call_tool("sample_frames", {"stepp": 5}),
            )

    tools, answer, wrong = anyio.run(talk)
    assert {tool.name for tool in tools} == {tool.name for tool in toolbox()}
    expected = toolbox().named("sample_frames")(space, **SAMPLE).model_dump(mode="json")
    assert answer.structured_content == expected
    assert not answer.is_error
    assert wrong.is_error
    assert "Did you mean 'step'" in wrong.content[0].text


def test_mcp_over_standard_input_and_output(tmp_path: Path, frames_folder: Path) -> None:
    mcp = pytest.importorskip("mcp", reason="the extra `mcp` is not installed")
    from mcp.client.stdio import stdio_client

    words = ["-m", "alref_agent", "mcp", "--workspace", str(tmp_path / "run")]
    words += ["--video", str(frames_folder)]
    program = mcp.StdioServerParameters(command=sys.executable, args=words)

    async def talk() -> Any:
        async with mcp.Client(stdio_client(program)) as client:
            return await client.call_tool("sample_frames", SAMPLE)

    answer = anyio.run(talk)
    assert [f["frame_idx"] for f in answer.structured_content["frames"]] == [0, 5, 10, 11]


def test_the_command_line_one_process_after_the_other(tmp_path: Path, frames_folder: Path) -> None:
    def tool(name: str, arguments: object, *more: str) -> Any:
        words = [sys.executable, "-m", "alref_agent", "tools", "run", name]
        words += ["--args", json.dumps(arguments), "--workspace", str(tmp_path / "run"), *more]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    tool("sample_frames", {"step": 4}, "--video", str(frames_folder))
    prompts = [{"frame_idx": i, "box": list(big_square(i))} for i in (0, 6, 11)]
    masks = tool("segment_video", {"objects": [{"obj_id": 3, "prompts": prompts}]})
    assert masks["objects"][0]["n_frames"] == N_FRAMES
    space = Workspace.open(tmp_path / "run")
    assert [call.tool for call in space.calls()] == ["sample_frames", "segment_video"]
    x0, y0, x1, y1 = big_square(6)
    found = space.masks_on(masks["masks"], 6)[3]
    assert found[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3].mean() > 0.8
    assert found.sum() < 2 * (x1 - x0) * (y1 - y0)


def test_tools_list_and_show() -> None:
    def say(*words: str) -> str:
        command = [sys.executable, "-m", "alref_agent", "tools", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert [line.partition(":")[0] for line in say("list").splitlines()] == [
        "contact_sheet", "detect_objects", "link_boxes", "sample_frames", "segment_video",
    ]  # fmt: skip
    shown = say("show", "segment_video")
    assert '"box_track"' in shown
    assert "result: {" in shown
