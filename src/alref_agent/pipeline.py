"""A video and its expressions -> a finished run folder."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alref_agent import build
from alref_agent._version import __version__
from alref_agent.config import Config, load_config
from alref_agent.errors import ConfigError, InputError, OutputError, VideoError
from alref_agent.media.video import open_video
from alref_agent.outputs import write_outputs
from alref_agent.packages import versions
from alref_agent.progress import Progress
from alref_agent.record import Call, RunResult
from alref_agent.run import RESULT_NAME, Run
from alref_agent.run_folder import prepare_folder, remove_run
from alref_agent.types import Expression
from alref_agent.workspace import Workspace

MAX_EXPRESSION = 500
"""Characters; a longer one is no expression but a text."""


def segment(
    source: str | Path,
    *,
    text: str | Sequence[str],
    profile: str | None = None,
    config: Config | str | Path | None = None,
    settings: Sequence[str] | Mapping[str, Any] = (),
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    start: int | str | None = None,
    end: int | str | None = None,
    every: int = 1,
    progress: Progress | None = None,
) -> Run:
    """Segment what the expressions name, in every frame of a video.

    Args:
        source: A video file or a folder of images.
        text: One expression or several.
        profile: Where the settings start from; default: `offline`.
        config: A YAML file of settings, or settings that were loaded already (then `profile` and
            `settings` must not be given).
        settings: `key=value` lines, or a mapping of dotted keys to values.
        out: The run folder; default: `runs/NAME-OF-THE-VIDEO`.
        resume: Go on with a run that was stopped; return one that is finished.
        overwrite: Replace a run that is there.
        start: First frame of the source, or a time as `"1.5s"`.
        end: Frame of the source, or time, before which to stop.
        every: Take every so many frames of the source.
        progress: Who listens to how far the work is.

    Returns:
        The finished run.

    Raises:
        InputError: The user must change something; one of its subclasses says what.
    """
    references = expressions(text)
    chosen = _config(config, profile, settings)
    warnings = build.check(chosen)
    video = open_video(Path(source), start=start, end=end, every=every)
    if video.n_frames < 2:
        raise VideoError(
            f"{source} has one frame; a video has two or more (check --start, --end, --every)."
        )
    folder = Path(out) if out is not None else Path("runs") / Path(source).resolve().stem
    tools = build.toolbox(chosen)
    strategy = build.strategy(chosen, tools)
    fresh = prepare_folder(folder, resume=resume, overwrite=overwrite)
    request = {"text": [r.text for r in references], "config": chosen.model_dump(mode="json")}
    try:
        workspace = Workspace.create(folder, video, request, progress)
    except InputError:
        if fresh:
            remove_run(folder)
        raise
    try:
        if (folder / RESULT_NAME).is_file():
            return Run.open(folder)
        answer = strategy.run(workspace, references)
        started = time.perf_counter()
        written = write_outputs(workspace, answer, chosen.output)
        calls = workspace.calls()
        result = RunResult(
            alref_agent=__version__,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            video=workspace.video_record,
            references=answer.references,
            strategy=chosen.strategy,
            config=chosen.model_dump(mode="json"),
            objects=answer.objects,
            fallbacks=list(answer.fallbacks),
            calls=[call.model_copy(update={"arguments": None, "result": None}) for call in calls],
            seconds=_seconds(calls) | {"write": round(time.perf_counter() - started, 3)},
            packages=versions(),
            files=written.files,
            warnings=[
                *warnings,
                *video.warnings,
                *(warning for call in calls for warning in call.warnings),
                *written.warnings,
            ],
        )
        return Run.write(folder, result)
    except OutputError as error:
        raise OutputError(f"{error} What was done is kept: --resume goes on.") from error
    except InputError:
        if fresh:
            workspace.close()
            remove_run(folder)
        raise
    finally:
        workspace.close()


def replay(
    result_file: str | Path,
    *,
    out: str | Path,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Do a run again from its `result.json` alone.

    Raises:
        ConfigError: The file is no `result.json`, or of a newer version.
        VideoError: The video is not where it was.
    """
    earlier = Run.read(Path(result_file))
    video = earlier.video
    texts = {reference.exp_id: reference.text for reference in earlier.references}
    return segment(
        video.source,
        text=list(texts.values()),
        config=load_config(settings=earlier.config, environment={}),
        out=out,
        resume=resume,
        overwrite=overwrite,
        start=video.start,
        end=video.end,
        every=video.every,
        progress=progress,
    )


def expressions(text: str | Sequence[str]) -> list[Expression]:
    """Check the texts and number them.

    Raises:
        ConfigError: None at all, an empty one, one without a letter, one that is too long.
    """
    texts = [text] if isinstance(text, str) else list(text)
    if not texts:
        raise ConfigError('Say what to segment: --text "the dog".')
    for each in texts:
        shown = each if len(each) <= 40 else each[:40] + "…"
        if not each.strip():
            raise ConfigError('An expression is empty; say what to segment: --text "the dog".')
        if len(each) > MAX_EXPRESSION:
            raise ConfigError(
                f"The expression {shown!r} has {len(each)} characters; "
                f"at most {MAX_EXPRESSION} are taken."
            )
        if not any(character.isalpha() for character in each):
            raise ConfigError(f"The expression {shown!r} has no words; say it as in “the dog”.")
        if not each.isprintable():
            raise ConfigError(f"The expression {shown!r} has control characters; one line of text.")
    return [Expression(each.strip(), str(i)) for i, each in enumerate(texts)]


def _config(
    config: Config | str | Path | None,
    profile: str | None,
    settings: Sequence[str] | Mapping[str, Any],
) -> Config:
    if isinstance(config, Config):
        if profile is not None or settings:
            raise ConfigError("Give a loaded config, or a profile and settings, not both.")
        return config
    return load_config(profile, None if config is None else Path(config), settings)


def _seconds(calls: Sequence[Call]) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for call in calls:
        seconds[call.tool] = round(seconds.get(call.tool, 0.0) + call.seconds, 3)
    return seconds
