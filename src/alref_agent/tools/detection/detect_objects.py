"""The tool `detect_objects`: boxes for expressions on chosen frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from pydantic import Field

from alref_agent.errors import BackendError
from alref_agent.tools.detection.detector import Detector
from alref_agent.tools.frames import check_frames
from alref_agent.tools.tool import Arguments, Result, Tool
from alref_agent.types import Detections, Frame
from alref_agent.workspace import Workspace


class DetectObjectsArguments(Arguments):
    """What is looked for, and where."""

    frames: list[int] = Field(min_length=1, description="frame_idx of the frames to look at.")
    expressions: list[str] = Field(min_length=1, description="What to look for, one each.")
    box_threshold: float | None = Field(
        None, ge=0, le=1, description="Least score of a box; null: as in the settings."
    )


class DetectedTarget(Result):
    """One thing that the expression was taken for."""

    label: str
    words: str
    confidence: float
    count: int


class DetectedBox(Result):
    """One candidate."""

    frame_idx: int
    box: tuple[float, float, float, float] = Field(description="xyxy in pixels.")
    score: float
    phrase: str
    target: int = Field(description="Index of the target that it is for.")


class ExpressionDetections(Result):
    """What was found for one expression."""

    id: str = Field(description="Give this to link_boxes.")
    expression: str
    targets: list[DetectedTarget] = Field(description="Empty: the expression names nothing known.")
    reason: str
    n_boxes: int
    best: list[DetectedBox] = Field(description="The best box of each target, over all frames.")


class DetectObjectsResult(Result):
    """One entry an expression, in order."""

    detections: list[ExpressionDetections]


class DetectObjects(Tool[DetectObjectsArguments, DetectObjectsResult]):
    """Find candidates for every expression on every given frame, with one look at each frame."""

    name = "detect_objects"
    summary = "Find boxes for what each expression names, on the given frames, with scores."
    arguments = DetectObjectsArguments
    result = DetectObjectsResult
    backend_kind = "detector"

    def run(self, workspace: Workspace, arguments: DetectObjectsArguments) -> DetectObjectsResult:
        """Detect; see the class."""
        assert self.backend is not None
        detector: Detector = self.backend.get()
        check_frames(workspace, arguments.frames)
        expressions = arguments.expressions
        groundings = [detector.ground(expression) for expression in expressions]
        found: list[list[Detections]] = [[] for _ in expressions]
        if any(grounding.targets for grounding in groundings):
            n_targets = [len(grounding.targets) for grounding in groundings]
            for frames in _batches(workspace, sorted(set(arguments.frames)), detector.batch_size):
                answers = detector.detect(frames, expressions, arguments.box_threshold)
                for on_frame in self._checked(answers, frames, n_targets):
                    for kept, answer in zip(found, on_frame, strict=True):
                        kept.append(answer)
        entries = []
        for expression, grounding, frames_of in zip(expressions, groundings, found, strict=True):
            item = workspace.add_detections(expression, grounding, frames_of)
            entries.append(
                ExpressionDetections(
                    id=item,
                    expression=expression,
                    targets=[
                        DetectedTarget(
                            label=target.label,
                            words=target.words,
                            confidence=round(target.confidence, 4),
                            count=target.count,
                        )
                        for target in grounding.targets
                    ],
                    reason=grounding.reason,
                    n_boxes=sum(len(frame.scores) for frame in frames_of),
                    best=[
                        box
                        for t in range(len(grounding.targets))
                        if (box := best_box(frames_of, t)) is not None
                    ],
                )
            )
        return DetectObjectsResult(detections=entries)

    def _checked(
        self,
        answers: Sequence[Sequence[Detections]],
        frames: dict[int, Frame],
        n_targets: Sequence[int],
    ) -> Iterator[list[Detections]]:
        """What a detector gave, frame by frame.

        Raises:
            BackendError: It is not what the interface asks for.
        """
        assert self.backend is not None
        said = f"The detector {self.backend.name!r} gave"
        if len(answers) != len(frames):
            raise BackendError(f"{said} answers for {len(answers)} of {len(frames)} frames.")
        for (i, frame), on_frame in zip(frames.items(), answers, strict=True):
            if len(on_frame) != len(n_targets):
                raise BackendError(
                    f"{said} {len(on_frame)} answers for {len(n_targets)} expressions."
                )
            yield [
                _checked(answer, i, frame, n) for answer, n in zip(on_frame, n_targets, strict=True)
            ]


def _batches(
    workspace: Workspace, frame_idxs: Sequence[int], batch_size: int
) -> Iterator[dict[int, Frame]]:
    """The frames, so many together, in a mapping that is emptied when the next are asked for.

    Args:
        workspace: Whose video it is.
        frame_idxs: Which frames, in order.
        batch_size: How many together.
    """
    batch: dict[int, Frame] = {}
    frames = workspace.video.frames_at(frame_idxs)
    for i, frame in workspace.progress.track(frames, "detect", len(frame_idxs)):
        batch[i] = frame
        if len(batch) >= batch_size or i == frame_idxs[-1]:
            yield batch
            batch.clear()


def _checked(answer: Detections, frame_idx: int, frame: Frame, n_targets: int) -> Detections:
    """What a detector gave, its boxes cut to the frame.

    Raises:
        BackendError: It is not what the interface asks for.
    """
    if not isinstance(answer, Detections) or answer.frame_idx != frame_idx:
        raise BackendError(f"The detector gave {answer!r:.60} for frame {frame_idx}.")
    height, width = frame.shape[:2]
    limits = np.array([width, height, width, height], np.float32)
    boxes = np.clip(answer.boxes, 0, limits)
    whole = np.isfinite(boxes).all() and (boxes[:, :2] < boxes[:, 2:]).all()
    scores = np.isfinite(answer.scores).all() and (np.abs(answer.scores - 0.5) <= 0.5).all()
    targets = ((answer.targets >= 0) & (answer.targets < n_targets)).all()
    for fine, what in ((whole, "boxes"), (scores, "scores"), (targets, "targets")):
        if not fine:
            raise BackendError(
                f"The detector gave {what} on frame {frame_idx} that cannot be used: a box is "
                "x0 < x1, y0 < y1 and touches the frame, a score is in [0, 1], a target one of "
                f"the {n_targets} of the expression."
            )
    return replace(answer, boxes=boxes)


def best_box(frames: list[Detections], target: int) -> DetectedBox | None:
    """The surest box for a target; of equals, that of the earliest frame."""
    best: tuple[float, Detections, int] | None = None
    for frame in frames:
        for i in np.flatnonzero(frame.targets == target).tolist():
            if best is None or frame.scores[i] > best[0]:
                best = (float(frame.scores[i]), frame, i)
    return None if best is None else detected_box(best[1], best[2])


def detected_box(frame: Detections, i: int) -> DetectedBox:
    """Candidate `i` of a frame, as numbers."""
    x0, y0, x1, y1 = (round(float(v), 2) for v in frame.boxes[i])
    return DetectedBox(
        frame_idx=frame.frame_idx,
        box=(x0, y0, x1, y1),
        score=round(float(frame.scores[i]), 4),
        phrase=frame.phrases[i],
        target=int(frame.targets[i]),
    )
