"""Looking at a video: `sample_frames` chooses frames."""

from __future__ import annotations

from pydantic import Field

from alref_agent.errors import ConfigError
from alref_agent.tools.tool import Arguments, Result, Tool
from alref_agent.workspace import Workspace


class SampleFramesArguments(Arguments):
    """Which frames of the video are wanted."""

    step: int = Field(5, ge=1, description="Take every step-th frame.")
    start: int = Field(0, ge=0, description="First frame_idx.")
    stop: int | None = Field(None, ge=1, description="End of the range, exclusive; null: the end.")
    max_frames: int | None = Field(
        None, ge=1, description="At most this many, evenly spread; null: no limit."
    )


class SampledFrame(Result):
    """One chosen frame."""

    frame_idx: int
    frame_name: str
    seconds: float


class SampleFramesResult(Result):
    """The chosen frames and what the video is like."""

    frames: list[SampledFrame]
    n_frames: int
    height: int
    width: int
    fps: float


class SampleFrames(Tool[SampleFramesArguments, SampleFramesResult]):
    """Choose frames at a fixed step; the last frame of the range is always among them."""

    name = "sample_frames"
    summary = "Choose frames of the video at a fixed step and say how long and how large it is."
    arguments = SampleFramesArguments
    result = SampleFramesResult

    def run(self, workspace: Workspace, arguments: SampleFramesArguments) -> SampleFramesResult:
        """Choose; see the class."""
        video = workspace.video
        stop = min(arguments.stop or video.n_frames, video.n_frames)
        if arguments.start >= stop:
            raise ConfigError(
                f"sample_frames: no frame from {arguments.start} to {stop}: "
                f"the video has {video.n_frames}."
            )
        # The last frame is looked at too: what follows the last sample would be a guess.
        chosen = sorted({*range(arguments.start, stop, arguments.step), stop - 1})
        if arguments.max_frames is not None and len(chosen) > arguments.max_frames:
            n = arguments.max_frames
            spread = [round(i * (len(chosen) - 1) / max(1, n - 1)) for i in range(n)]
            chosen = [chosen[i] for i in spread]
        return SampleFramesResult(
            frames=[
                SampledFrame(
                    frame_idx=i,
                    frame_name=video.frame_name(i),
                    seconds=round(video.time(i), 3),
                )
                for i in chosen
            ],
            n_frames=video.n_frames,
            height=video.height,
            width=video.width,
            fps=round(video.fps, 3),
        )


def check_frames(workspace: Workspace, frames: list[int]) -> None:
    """Refuse frames that the video does not have.

    Raises:
        ConfigError: One of them lies outside.
    """
    n = workspace.video.n_frames
    for frame_idx in frames:
        if not 0 <= frame_idx < n:
            raise ConfigError(f"There is no frame {frame_idx}: the video has 0 to {n - 1}.")
