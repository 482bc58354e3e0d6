"""The questions of GPT-PS: what is sent for a window in each step, and how the reply is read."""

from __future__ import annotations

from typing import Any

from alref_agent.agent.answers import PivotBoxAnswer, PivotFrameAnswer
from alref_agent.agent.case import Case
from alref_agent.agent.pivots import candidates, placeholder
from alref_agent.agent.replies import box_reader, frame_reader
from alref_agent.agent.sightings import described, sightings
from alref_agent.agent.windows import Window, Windows, box_words
from alref_agent.config import Config
from alref_agent.errors import ConfigError
from alref_agent.prompts.prompt import Prompt
from alref_agent.providers.llm import Llm, Question
from alref_agent.providers.messages import Picture
from alref_agent.types import Detections
from alref_agent.workspace import Workspace

FRAME, BOX = "pivot-frame", "pivot-box"
"""The steps."""


class Questions:
    """Makes the questions of both steps; asks nothing."""

    def __init__(self, windows: Windows, llm: Llm, config: Config) -> None:
        """Find the prompts.

        Raises:
            PromptError: A prompt that the settings name is not there, or broken.
            ConfigError: A prompt has pictures, and the LLM does not see.
        """
        self._windows = windows
        self._most = config.gpt_ps.max_candidates
        self._frame_prompt = _prompt(llm, FRAME, config.prompts.pivot_frame)
        self._box_prompt = _prompt(llm, BOX, config.prompts.pivot_box)

    @property
    def in_words(self) -> bool:
        """Whether a prompt wants the candidates of all frames in words."""
        told = any("sightings" in p.inputs for p in (self._frame_prompt, self._box_prompt))
        # Who chooses a box unseen is told how it moved since the frame before.
        return told or self._box_prompt.pictures == "none"

    def frame_sheet(self, workspace: Workspace, window: Window) -> tuple[Picture, ...]:
        """The pictures of step 1; none where the prompt wants none."""
        if self._frame_prompt.pictures == "none":
            return ()
        return self._windows.pictures(workspace, window)

    def box_sheet(
        self,
        workspace: Workspace,
        window: Window,
        number: int | None = None,
        found: Detections | None = None,
    ) -> tuple[Picture, ...]:
        """The pictures of step 2, with the candidates drawn on the pivot frame."""
        if self._box_prompt.pictures == "none":
            return ()
        return self._windows.pictures(workspace, window, number, found)

    def frame(
        self,
        workspace: Workspace,
        case: Case,
        window: Window,
        n_windows: int,
        sheet: tuple[Picture, ...],
    ) -> Question[PivotFrameAnswer]:
        """Step 1: which frame of the window?

        Args:
            workspace: The video.
            case: The expression, and what was seen of it where prompts want that in words.
            window: The frames.
            n_windows: Of the video.
            sheet: Pictures of the window; see `frame_sheet`.
        """
        words = self._windows.words(window, n_windows)
        return Question(
            self._frame_prompt.render(
                expression=case.reference.text,
                sightings=self._seen(workspace, case, window),
                **words,
            ),
            sheet,
            frame_reader(self._frame_prompt, len(window.frames)),
            case.reference.exp_id,
            tuple(window.frame_idxs),
        )

    def box(
        self,
        workspace: Workspace,
        case: Case,
        window: Window,
        number: int,
        n_windows: int,
        found: Detections,
        sheet: tuple[Picture, ...],
    ) -> Question[PivotBoxAnswer]:
        """Step 2: which boxes on the pivot frame?

        Args:
            workspace: The video.
            case: The expression, and what was seen of it.
            window: The frames.
            number: Of the pivot frame in the window.
            n_windows: Of the video.
            found: The candidates on the pivot frame.
            sheet: Pictures of the window with the candidates drawn; see `box_sheet`.
        """
        size = (workspace.video.height, workspace.video.width)
        earlier = None
        if self.in_words and number > 1:
            earlier = case.frames.get(window.frame_idxs[number - 2])
        said = [described(found, i, size, earlier) for i in range(len(found.scores))]
        if not self.in_words:  # the frame before was not looked at
            said = [words | {"motion": ""} for words in said]
        rendered = self._box_prompt.render(
            expression=case.reference.text,
            pivot=number,
            boxes=box_words(said),
            n_boxes=len(said),
            sightings=self._seen(workspace, case, window),
            **self._windows.words(window, n_windows),
        )
        return Question(
            rendered,
            sheet,
            box_reader(self._box_prompt, len(said)),
            case.reference.exp_id,
            tuple(window.frame_idxs),
        )

    def _seen(self, workspace: Workspace, case: Case, window: Window) -> list[dict[str, Any]]:
        """The candidates on the frames of a window, in words, where a prompt wants them."""
        if not self.in_words:
            return _unseen(window)
        return sightings(
            [
                candidates(case.frames, i, self._most) or placeholder(0, i)
                for i in window.frame_idxs
            ],
            (workspace.video.height, workspace.video.width),
            [frame.seconds for frame in window.frames],
        )


def _unseen(window: Window) -> list[dict[str, Any]]:
    return [
        {"number": n, "seconds": frame.seconds, "objects": []}
        for n, frame in enumerate(window.frames, start=1)
    ]


def _prompt(llm: Llm, step: str, version: str) -> Prompt:
    prompt = llm.library.get(step, version)
    provider = llm.exchange(step).provider
    if prompt.pictures != "none" and not provider.sees:
        raise ConfigError(
            f"{llm.exchange(step).asked} does not see pictures, and the prompt "
            f"{prompt.id} has some: --set prompts.pivot_frame=text-v1 "
            "--set prompts.pivot_box=text-v1, or another LLM."
        )
    return prompt
