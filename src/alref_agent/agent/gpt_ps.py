"""Strategy `gpt-ps`: an LLM chooses pivot frames, then pivot boxes; they prompt the segmenter.

GPT-PS of AL-Ref-SAM 2 (AAAI 2025), pivot selection in two steps of reasoning. Beyond the paper: an
answer that nothing fits is kept as such (`fallback: none`), one expression may name several
objects, and every fall-back is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from alref_agent.agent.case import Case
from alref_agent.agent.pivots import Pivot, candidates, objects, placeholder
from alref_agent.agent.questions import BOX, FRAME, Questions
from alref_agent.agent.strategy import Answer, Choice, Finding, conclude
from alref_agent.agent.top_box import best_of_frame
from alref_agent.agent.windows import Window, Windows
from alref_agent.config import Config
from alref_agent.errors import ConfigError
from alref_agent.providers.llm import Llm, Question
from alref_agent.providers.messages import Request
from alref_agent.record import FallbackRecord
from alref_agent.tools.detection.detect_objects import DetectObjects
from alref_agent.tools.detection.link_boxes import LinkBoxes
from alref_agent.tools.frames import SampleFrames
from alref_agent.tools.segmentation.segment_video import SegmentVideo
from alref_agent.tools.sheets import ContactSheet
from alref_agent.tools.tool import Toolbox
from alref_agent.types import BoxTrack, Expression
from alref_agent.workspace import Workspace


class GptPs:
    """See the module."""

    asks_llm = True

    def __init__(self, tools: Toolbox, llm: Llm, config: Config) -> None:
        """Take the parts.

        Raises:
            PromptError: A prompt that the settings name is not there, or broken.
            ConfigError: A prompt has pictures, and the LLM does not see.
        """
        self._windows = Windows(tools.get(SampleFrames), tools.get(ContactSheet), config)
        self._detect = tools.get(DetectObjects)
        self._link = tools.get(LinkBoxes)
        self._segment = tools.get(SegmentVideo)
        self._llm = llm
        self._config = config
        self._questions = Questions(self._windows, llm, config)

    @classmethod
    def from_config(cls, config: Config, tools: Toolbox, llm: Llm | None) -> Self:
        """Take the tools and the LLM; reads `sampling`, `prompts`, `gpt_ps` and `fallback`.

        Raises:
            ConfigError: There is no LLM, or one without eyes for prompts with pictures.
            PromptError: A prompt that the settings name cannot be used.
        """
        if llm is None:
            raise ConfigError("The strategy gpt-ps needs an LLM: --llm gpt-4, say.")
        return cls(tools, llm, config)

    def run(self, workspace: Workspace, references: Sequence[Expression]) -> Answer:
        """Sheets, pivot frames, candidates, pivot boxes, masks."""
        windows = self._windows.of(workspace)
        cases = [Case(reference) for reference in references]
        if self._questions.in_words:
            frames = [i for window in windows for i in window.frame_idxs]
            for case in cases:
                self._look(workspace, case, frames)
        self._choose_frames(workspace, windows, cases)
        for case in cases:
            if not self._questions.in_words:
                self._look(workspace, case, [w.frame_idxs[n - 1] for w, n in case.chosen])
        self._choose_boxes(workspace, len(windows), cases)
        tracks = self._tracks(workspace, windows, cases)
        findings = [self._finding(workspace, case, tracks) for case in cases]
        answer = conclude(workspace, self._segment, references, findings)
        return Answer(
            answer.references,
            answer.objects,
            answer.masks,
            tuple(fallback for case in cases for fallback in case.fallbacks),
        )

    def plan(
        self, workspace: Workspace, references: Sequence[Expression]
    ) -> list[tuple[str, Request]]:
        """What would be sent at most, repair turns apart: for `--dry-run`.

        Step 2 is known only after step 1; it is planned as large as it can be. Nothing is detected.
        """
        windows = self._windows.of(workspace)
        most = placeholder(self._config.gpt_ps.max_candidates)
        planned: list[tuple[str, Request]] = []
        for window in windows:
            sheet = self._questions.frame_sheet(workspace, window)
            for reference in references:
                question = self._questions.frame(
                    workspace, Case(reference), window, len(windows), sheet
                )
                planned.append((FRAME, self._llm.request(question)))
        for window in windows:
            sheet = self._questions.box_sheet(workspace, window)
            for reference in references:
                asked = self._questions.box(
                    workspace, Case(reference), window, 1, len(windows), most, sheet
                )
                planned.append((BOX, self._llm.request(asked)))
        return planned

    def preview(
        self, workspace: Workspace, reference: Expression, step: str, number: int
    ) -> Question[Any]:
        """What a step would ask of one window, with the frame in its middle as the pivot.

        Args:
            workspace: The video.
            reference: The expression.
            step: `pivot-frame` or `pivot-box`.
            number: Of the window, from 1.

        Raises:
            ConfigError: There is no such window.
        """
        windows = self._windows.of(workspace)
        if not 1 <= number <= len(windows):
            raise ConfigError(f"There is no window {number}: the video has {len(windows)}.")
        window, case = windows[number - 1], Case(reference)
        pivot = (len(window.frames) + 1) // 2
        frame_idx = window.frame_idxs[pivot - 1]
        if self._questions.in_words or step == BOX:
            self._look(
                workspace, case, window.frame_idxs if self._questions.in_words else [frame_idx]
            )
        if step == FRAME:
            sheet = self._questions.frame_sheet(workspace, window)
            return self._questions.frame(workspace, case, window, len(windows), sheet)
        most = self._config.gpt_ps.max_candidates
        found = candidates(case.frames, frame_idx, most) or placeholder(0, frame_idx)
        sheet = self._questions.box_sheet(workspace, window, pivot, found)
        return self._questions.box(workspace, case, window, pivot, len(windows), found, sheet)

    # Step 1 --------------------------------------------------------------------------------

    def _choose_frames(
        self, workspace: Workspace, windows: Sequence[Window], cases: Sequence[Case]
    ) -> None:
        sheets = {w.number: self._questions.frame_sheet(workspace, w) for w in windows}
        asked = [(case, window) for case in cases for window in windows]
        questions = [
            self._questions.frame(workspace, case, window, len(windows), sheets[window.number])
            for case, window in asked
        ]
        outcomes = self._llm.ask(questions, workspace.progress, FRAME)
        for (case, window), outcome in zip(asked, outcomes, strict=True):
            if outcome.answer is None:
                case.lost(FRAME, window, outcome)
            elif outcome.answer.frame is None:
                case.refusals.append(outcome.answer.reason)
            else:
                case.chosen.append((window, outcome.answer.frame))

    # Candidates ----------------------------------------------------------------------------

    def _look(self, workspace: Workspace, case: Case, frames: Sequence[int]) -> None:
        if not frames:
            return
        expression = case.reference.text
        found = self._detect(workspace, frames=list(frames), expressions=[expression])
        case.found = found.detections[0]
        detected = workspace.detections(case.found.id)[2]
        case.frames = {frame.frame_idx: frame for frame in detected}

    # Step 2 --------------------------------------------------------------------------------

    def _choose_boxes(self, workspace: Workspace, n_windows: int, cases: Sequence[Case]) -> None:
        asked = []
        questions = []
        for case in cases:
            for window, number in case.chosen:
                frame_idx = window.frame_idxs[number - 1]
                found = candidates(case.frames, frame_idx, self._config.gpt_ps.max_candidates)
                if found is None:
                    case.without_boxes.append(frame_idx)
                    continue
                sheet = self._questions.box_sheet(workspace, window, number, found)
                asked.append((case, window, found))
                questions.append(
                    self._questions.box(workspace, case, window, number, n_windows, found, sheet)
                )
        outcomes = self._llm.ask(questions, workspace.progress, BOX)
        for (case, window, found), outcome in zip(asked, outcomes, strict=True):
            answer = outcome.answer
            if answer is None:
                case.lost(BOX, window, outcome)
            elif not answer.boxes:
                case.refusals.append(answer.reason)
            else:
                boxes = tuple(number - 1 for number in answer.boxes)
                case.pivots.append(Pivot(found.frame_idx, found, boxes, answer.reason))

    # What comes of it ----------------------------------------------------------------------

    def _tracks(
        self, workspace: Workspace, windows: Sequence[Window], cases: Sequence[Case]
    ) -> dict[str, list[BoxTrack]]:
        """Box tracks, where they are followed, or tell which boxes are one object."""
        follow = self._config.gpt_ps.follow == "tracks"
        several = any(len(pivot.boxes) > 1 for case in cases for pivot in case.pivots)
        with_pivots = [case for case in cases if case.pivots]
        if not with_pivots or not (follow or several or len(with_pivots) > 1):
            return {}
        frames = [i for window in windows for i in window.frame_idxs]
        texts = [case.reference.text for case in with_pivots]
        found = self._detect(workspace, frames=frames, expressions=texts).detections
        ids = [detections.id for detections in found if detections.n_boxes]
        if not ids:
            return {}
        most = self._config.linker.max_tracks
        linked = self._link(workspace, detections=ids, max_tracks=most).linked
        of = {e.detections: [workspace.box_track(t.id) for t in e.tracks] for e in linked}
        return {
            case.reference.exp_id: of.get(detections.id, [])
            for case, detections in zip(with_pivots, found, strict=True)
        }

    def _finding(
        self, workspace: Workspace, case: Case, tracks: dict[str, list[BoxTrack]]
    ) -> Finding:
        choices: list[Choice] = []
        why_none, failed = "", False
        if case.pivots:
            own = tracks.get(case.reference.exp_id, [])
            settings = self._config.gpt_ps
            choices = objects(case.pivots, own, settings.start, settings.follow == "tracks")
        else:
            why_none, failed = case.why_none()
            if self._config.fallback == "top-box":
                choices = self._top_box(workspace, case, why_none)
                failed = failed and not choices
        return Finding(case.found, choices, why_none, failed)

    def _top_box(self, workspace: Workspace, case: Case, why: str) -> list[Choice]:
        """The published fall-back: frame 0, and its best box at a lower threshold."""
        case.fallbacks.append(
            FallbackRecord(stage="top-box", reason=why, exp_id=case.reference.exp_id)
        )
        found = self._detect(
            workspace,
            frames=[0],
            expressions=[case.reference.text],
            box_threshold=self._config.gpt_ps.fallback_box_threshold,
        ).detections[0]
        case.found = found
        return best_of_frame(found, workspace.detections(found.id)[2])
