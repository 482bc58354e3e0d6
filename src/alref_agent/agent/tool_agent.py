"""Strategy `agent`: an LLM calls the typed tools as it sees fit, and ends in masks or in words.

Every expression has a conversation of its own, led by LangChain's `create_agent`. The masks of its
last `segment_video` call are the answer; `NO TARGET: why` is one too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from textwrap import shorten
from typing import Any, Self

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, AgentState
from langchain_core.messages import AIMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool, StructuredTool

from alref_agent.agent.chat_model import LlmChatModel, StepLimit, Turns
from alref_agent.agent.look import NAME, SUMMARY, Look, LookArguments, LookAtFrames
from alref_agent.agent.segmented import Segmented, with_new_numbers
from alref_agent.agent.strategy import Answer, conclude
from alref_agent.agent.talk import Talk
from alref_agent.config import Config
from alref_agent.errors import ConfigError, InputError, UnknownNameError, unknown
from alref_agent.providers.llm import Llm
from alref_agent.record import FallbackRecord
from alref_agent.tools.detection.detect_objects import DetectObjects, DetectObjectsResult
from alref_agent.tools.langchain import NOT_THE_AGENTS, langchain_tools, schema_of
from alref_agent.tools.segmentation.segment_video import (
    SegmentVideo,
    SegmentVideoArguments,
    SegmentVideoResult,
)
from alref_agent.tools.sheets import ContactSheet
from alref_agent.tools.tool import Toolbox, checked_arguments
from alref_agent.types import Expression
from alref_agent.workspace import Workspace

STEP = "agent"
LONGEST_ANSWER = 6000
"""Characters of a tool's answer that the LLM is sent."""


class ToolAgent:
    """See the module."""

    asks_llm = True

    def __init__(self, tools: Toolbox, llm: Llm, config: Config) -> None:
        """Take the parts.

        Raises:
            ConfigError: The LLM does not call tools.
            PromptError: The prompt that the settings name is not there, or broken.
        """
        provider = llm.exchange(STEP).provider
        if not provider.calls_tools:
            raise ConfigError(
                f"{llm.exchange(STEP).asked} does not call tools, and the strategy agent "
                "needs that: --set strategy=gpt-ps, or another LLM."
            )
        self._tools = tools
        self._segment = tools.get(SegmentVideo)
        # An LLM without eyes is not offered to look.
        self._look = LookAtFrames(tools.get(ContactSheet), config) if provider.sees else None
        self._llm = llm
        self._most = config.agent.max_steps
        self._prompt = llm.library.get(STEP, config.prompts.agent)

    @classmethod
    def from_config(cls, config: Config, tools: Toolbox, llm: Llm | None) -> Self:
        """Take the tools and the LLM; reads `agent`, `prompts.agent` and `sampling`.

        Raises:
            ConfigError: There is no LLM, or one that does not call tools.
            PromptError: The prompt that the settings name cannot be used.
        """
        if llm is None:
            raise ConfigError("The strategy agent needs an LLM: --llm gpt-4, say.")
        return cls(tools, llm, config)

    def run(self, workspace: Workspace, references: Sequence[Expression]) -> Answer:
        """A conversation an expression, one after the other, then the masks of all of them."""
        talks = [self._talk(workspace, reference) for reference in references]
        chosen, replaced = with_new_numbers(
            workspace, [talk.choices(workspace) for talk in talks], [talk.obj_ids for talk in talks]
        )
        findings = [talk.finding(mine) for talk, mine in zip(talks, chosen, strict=True)]
        answer = conclude(workspace, self._segment, references, findings)
        fallbacks = [fallback for talk in talks for fallback in talk.fallbacks()]
        fallbacks += [
            FallbackRecord(
                stage=STEP,
                reason="A mask among the prompts was replaced by the box around it.",
                exp_id=references[place].exp_id,
            )
            for place in replaced
        ]
        return replace(answer, fallbacks=tuple(fallbacks))

    def _talk(self, workspace: Workspace, reference: Expression) -> Talk:
        video = workspace.video
        rendered = self._prompt.render(
            expression=reference.text,
            n_frames=video.n_frames,
            seconds=video.n_frames / video.fps,
            height=video.height,
            width=video.width,
            max_steps=self._most,
        )
        talk = Talk(reference)
        turns = Turns(self._llm, self._prompt, reference.exp_id, self._most)
        offered: list[BaseTool] = [*langchain_tools(workspace, self._tools)]
        if self._look is not None:
            offered.append(_look_tool(workspace, self._look))
        agent = create_agent(
            LlmChatModel(turns=turns, cache=False),
            offered,
            system_prompt=rendered.system or None,
            middleware=[_InOrder(talk, self._tools, offered)],
        )
        trouble = ""
        try:
            # LangGraph's own limit counts other steps, two a turn; it must not come first.
            agent.invoke(
                {"messages": [HumanMessage(rendered.text)]},
                {"recursion_limit": 2 * self._most + 10},
            )
        except StepLimit:
            trouble = f"reached agent.max_steps ({self._most})"
        if turns.problem and not trouble:
            trouble = f"ended because {turns.problem}"
        words = next((r.text for r in reversed(turns.replies) if r.text.strip()), "")
        talk.end(words, trouble)
        return talk


class _InOrder(AgentMiddleware[Any, Any]):
    """Does what the LLM asks for, call by call, in the order in which it asks.

    LangGraph would do the calls of a turn side by side in other threads: ids would come in any
    order, so that no conversation could be replayed, and an interrupt would wait for the last.
    """

    def __init__(self, talk: Talk, toolbox: Toolbox, offered: Sequence[BaseTool]) -> None:
        super().__init__()
        self._talk = talk
        self._toolbox = toolbox
        self._offered = {tool.name: tool for tool in offered}

    def after_model(self, state: AgentState[Any], runtime: Any) -> dict[str, Any] | None:
        """Answer the calls of the last turn."""
        last = state["messages"][-1]
        if not isinstance(last, AIMessage) or not last.tool_calls:
            return None
        return {"messages": [self._answer(call) for call in last.tool_calls]}

    def _answer(self, call: ToolCall) -> ToolMessage:
        name, arguments = call["name"], call["args"]
        try:
            self._check(name, arguments)
            answer = self._offered[name].invoke({**call, "type": "tool_call"})
        except NOT_THE_AGENTS:
            raise
        except InputError as error:
            answer = ToolMessage(str(error), tool_call_id=call["id"], status="error")
        assert isinstance(answer, ToolMessage)
        if answer.status == "error":
            self._talk.errors.append(answer.text)
        elif name == DetectObjects.name:
            self._talk.detected += DetectObjectsResult.model_validate_json(answer.text).detections
        elif name == SegmentVideo.name:
            self._talk.called = Segmented(
                SegmentVideoArguments.model_validate(arguments),
                SegmentVideoResult.model_validate_json(answer.text),
            )
        return _cut(answer)

    def _check(self, name: str, arguments: dict[str, Any]) -> None:
        """Find what is wrong with a call before LangChain does.

        Raises:
            UnknownNameError: There is no such tool.
            ConfigError: It does not take these arguments.
        """
        if name not in self._offered:
            raise UnknownNameError(unknown("tool", name, self._offered))
        model = LookArguments if name == NAME else self._toolbox.named(name).arguments
        if list(arguments) == ["arguments"] and "arguments" not in model.model_fields:
            raw = shorten(str(arguments["arguments"]), 120, placeholder=" …")
            raise ConfigError(f"{name}: the arguments are no JSON object: {raw!r}.")
        checked_arguments(name, model, arguments)


def _look_tool(workspace: Workspace, look: LookAtFrames) -> StructuredTool:
    def call(**arguments: Any) -> tuple[str, Look]:
        shown = look(workspace, checked_arguments(NAME, LookArguments, arguments))
        return shown.text, shown

    return StructuredTool.from_function(
        call,
        name=NAME,
        description=SUMMARY,
        args_schema=schema_of(LookArguments),
        response_format="content_and_artifact",
    )


def _cut(answer: ToolMessage) -> ToolMessage:
    text = answer.text
    if len(text) <= LONGEST_ANSWER:
        return answer
    more = f" … (cut: {len(text):,} characters in all; ask for less at once)"
    return answer.model_copy(update={"content": text[: LONGEST_ANSWER - len(more)] + more})
