"""Our LLM as a LangChain chat model: one request, one policy, one record for agents too."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_function
from pydantic import Field

from alref_agent.agent.look import Look
from alref_agent.prompts.prompt import Prompt
from alref_agent.providers.account import request_record
from alref_agent.providers.llm import Llm
from alref_agent.providers.messages import Message, Picture, Reply, ToolCall


class StepLimit(Exception):  # noqa: N818 - it ends a conversation, and is no failure
    """The LLM would have one turn more than it may."""


class Turns:
    """The turns of one conversation: asked, counted, written down."""

    def __init__(self, llm: Llm, prompt: Prompt, exp_id: str, most: int) -> None:
        """Begin.

        Args:
            llm: Who is asked.
            prompt: What the conversation begins with, for the record.
            exp_id: Of the expression that it is about.
            most: So many turns may be taken.
        """
        self._llm = llm
        self._prompt = prompt
        self._exp_id = exp_id
        self._most = most
        self.replies: list[Reply] = []
        """What was said, turn by turn."""
        self.problem = ""
        """Why the last reply could not be used."""

    def take(self, messages: Sequence[BaseMessage], tools: Sequence[Mapping[str, Any]]) -> Reply:
        """One turn.

        Raises:
            StepLimit: All turns are taken.
            LlmError, LlmUnavailableError, BudgetError: As `Llm.say`.
        """
        if len(self.replies) >= self._most:
            raise StepLimit
        said, looks = converted(messages)
        request = self._llm.conversation(said, tools)
        answered = self._llm.say(request, self._prompt.step, self._exp_id)
        reply = answered.reply
        self.replies.append(reply)
        self.problem = _problem(reply)
        # What is new: all that follows the turn before.
        last = max((n for n, m in enumerate(said) if m.role == "assistant"), default=-1)
        record = request_record(
            self._prompt,
            request,
            answered,
            text="\n\n".join(m.words for m in said[last + 1 :] if m.role != "system"),
            exp_id=self._exp_id,
            frames=[frame_idx for look in looks for frame_idx in look.frames],
            pictures=[picture for look in looks for picture in look.pictures],
            understood=None if self.problem else _understood(reply),
            problem=self.problem,
        )
        self._llm.record(self._prompt, record)
        return reply


class LlmChatModel(BaseChatModel):
    """Hands every turn of a LangChain agent on to our LLM."""

    turns: Any = Field(exclude=True)
    """The `Turns` of the conversation."""

    @property
    def _llm_type(self) -> str:
        return "alref-agent"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools that it may call."""
        offered = [convert_to_openai_function(tool) for tool in tools]
        return self.bind(tools=offered, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        reply = self.turns.take(messages, kwargs.get("tools", ()))
        # Numbered here: what providers make up as ids would make every conversation another one.
        n = sum(len(m.tool_calls) for m in messages if isinstance(m, AIMessage))
        calls = [
            {"name": call.name, "args": dict(call.arguments), "id": f"call_{n + i}"}
            for i, call in enumerate(reply.tool_calls, start=1)
        ]
        answer = AIMessage(reply.text, tool_calls=calls)
        return ChatResult(generations=[ChatGeneration(message=answer)])


def converted(messages: Sequence[BaseMessage]) -> tuple[list[Message], list[Look]]:
    """LangChain's messages as ours, and what the LLM looks at for the first time.

    Most providers take only text from a tool, so pictures follow in a turn of the user's.
    """
    said: list[Message] = []
    looks: list[Look] = []
    for n, message in enumerate(messages):
        if isinstance(message, ToolMessage):
            said.append(_told("tool", message.text, tool_call_id=message.tool_call_id))
            if isinstance(message.artifact, Look):
                looks.append(message.artifact)
            follows = messages[n + 1] if n + 1 < len(messages) else None
            if looks and not isinstance(follows, ToolMessage):
                parts: list[str | Picture] = []
                for look in looks:
                    parts += [*look.pictures, look.caption]
                said.append(Message("user", tuple(parts)))
        elif isinstance(message, AIMessage):
            looks = []
            calls = tuple(
                ToolCall(str(call["id"]), _whole(call["name"]), _whole_json(call["args"]))
                for call in message.tool_calls
            )
            said.append(_told("assistant", message.text, tool_calls=calls))
        elif isinstance(message, SystemMessage):
            said.append(_told("system", message.text))
        elif isinstance(message, HumanMessage):
            said.append(_told("user", message.text))
        else:
            raise TypeError(f"an agent has no {type(message).__name__}")
    return said, looks


def _told(role: Any, text: str, **more: Any) -> Message:
    parts: tuple[str | Picture, ...] = (_whole(text),) if text else ()
    return Message(role, parts, **more)


def _whole(text: str) -> str:
    """Half a character cannot be sent."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _whole_json(value: Mapping[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(_whole(json.dumps(value, ensure_ascii=False)))
    return whole


def _problem(reply: Reply) -> str:
    """Why a reply leads nowhere; empty where it does."""
    if reply.finish == "refusal":
        return "the LLM refused to answer"
    if reply.finish == "unreadable":
        return "a reply is no text (UTF-8)"
    if reply.tool_calls:
        return ""
    if reply.finish == "length":
        return "a reply was cut off at the limit of tokens (llm.max_tokens)"
    return "" if reply.text.strip() else "a reply is empty"


def _understood(reply: Reply) -> dict[str, Any]:
    if not reply.tool_calls:
        return {"text": reply.text}
    return {"tool_calls": [{"name": c.name, "arguments": c.arguments} for c in reply.tool_calls]}
