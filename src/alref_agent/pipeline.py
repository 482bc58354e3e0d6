"""A video and its expressions -> a finished run folder."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alref_agent import build, registry
from alref_agent._version import __version__
from alref_agent.config import Config, load_config
from alref_agent.errors import ConfigError, InputError, LlmUnavailableError, VideoError
from alref_agent.media.video import open_video
from alref_agent.outputs import write_outputs
from alref_agent.packages import versions
from alref_agent.progress import Progress
from alref_agent.providers.assembly import llm
from alref_agent.providers.replay import RECORDED, Recorded
from alref_agent.record import Call, LlmUsage, RunResult
from alref_agent.report.page import REPORT, write_report
from alref_agent.run import RESULT_NAME, Run
from alref_agent.run_folder import hold_folder
from alref_agent.sections import OPERATIONAL
from alref_agent.tools.assembly import ASKED, Asking, recall, toolbox
from alref_agent.tools.detection.vlm_questions import DETECT
from alref_agent.tools.detection.vlm_record import lost_frames, with_failures
from alref_agent.types import Expression
from alref_agent.workspace import Workspace, open_as

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
    again: RunResult | None = None,
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
        again: An earlier run whose prompts and replies are used where they fit; see `replay`.

    Returns:
        The finished run.

    Raises:
        InputError: The user must change something; one of its subclasses says what.
        LlmUnavailableError: An LLM did not answer, however often it was asked.
    """
    references = expressions(text)
    chosen = _config(config, profile, settings)
    warnings = build.check(chosen)
    if not isinstance(source, str | Path):
        raise VideoError(f"source should be a path, got {type(source).__name__}.")
    video = open_video(source, start=start, end=end, every=every)
    if video.n_frames < 2:
        raise VideoError(
            f"{source} has one frame; a video has two or more (check --start, --end, --every)."
        )
    folder = Path(out) if out is not None else Path("runs") / Path(source).resolve().stem
    folder = folder.expanduser()
    request = {"text": [r.text for r in references], "config": decisive(chosen)}
    with hold_folder(folder, video.source, resume=resume, overwrite=overwrite) as held:
        done: list[Call] = []
        try:
            with closing(Workspace.create(folder, video, request, progress)) as workspace:
                if not held.fresh and (finished := _finished(workspace, request)):
                    return finished
                try:
                    run = _run(workspace, references, chosen, warnings, again)
                finally:
                    done = workspace.calls()
        except (InputError, LlmUnavailableError) as error:
            if any(call.backend for call in done) or (folder / RECORDED).is_dir():
                raise type(error)(f"{error} What was done is kept: --resume goes on.") from error
            if held.fresh:
                held.give_up()
            raise
        held.succeed()
        return run


def _run(
    workspace: Workspace,
    references: Sequence[Expression],
    config: Config,
    warnings: list[str],
    again: RunResult | None,
) -> Run:
    name = build.strategy_name(config)
    asked = asking = None
    if build.asks_llm(config):
        given = [Recorded(again.requests)] if again else []
        prompts = {prompt.id: prompt.source for prompt in again.prompts} if again else {}
        asked = llm(build.llm_config(config), workspace.folder, given, prompts)
        asking = Asking(asked, workspace, {r.text: r.exp_id for r in reversed(references)})
    tools = toolbox(config, asking)
    with registry.blaming("strategy", name):
        answer = build.strategy(config, tools, asked).run(workspace, references)
    if asking is not None:
        recall(asking, config)
    requests = asked.requests if asked else []
    answer = replace(
        answer,
        objects=with_failures(answer.objects, requests),
        fallbacks=(*answer.fallbacks, *lost_frames(requests)),
    )
    started = time.perf_counter()
    written = write_outputs(workspace, answer, config.output)
    calls = [call for call in workspace.calls() if call.tool != ASKED]
    result = RunResult(
        alref_agent=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        video=workspace.video_record,
        references=answer.references,
        strategy=name,
        config=config.model_dump(mode="json"),
        objects=answer.objects,
        fallbacks=list(answer.fallbacks),
        llm=asked.usage() if asked else LlmUsage(),
        prompts=asked.prompts if asked else [],
        requests=requests,
        calls=[call.model_copy(update={"arguments": None, "result": None}) for call in calls],
        seconds=_seconds(calls)
        # The detector's questions are part of `detect_objects`.
        | ({k: v for k, v in asked.seconds.items() if k != DETECT} if asked else {})
        | {"write": round(time.perf_counter() - started, 3)},
        packages=versions(),
        files=written.files | ({"report": REPORT} if config.output.report else {}),
        warnings=[
            *warnings,
            *workspace.video.warnings,
            *(warning for call in calls for warning in call.warnings),
            *written.warnings,
        ],
    )
    if config.output.report:
        write_report(workspace, result, answer.masks)
    return Run.write(workspace.folder, result)


def _finished(workspace: Workspace, request: Mapping[str, Any]) -> Run | None:
    """The run of that request, if it is there with all its files."""
    if not (workspace.folder / RESULT_NAME).is_file():
        return None
    run = Run.open(workspace.folder)
    texts = list(dict.fromkeys((r.exp_id, r.text) for r in run.result.references))
    mine = (
        [text for _, text in texts] == request["text"]
        and decisive(run.result.config) == request["config"]
        and run.result.video == workspace.video_record
    )
    return run if mine and run.whole else None


def replay(
    result_file: str | Path,
    *,
    out: str | Path,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Do a run again from its `result.json` alone.

    The prompts and the LLM's replies are taken from there too: an LLM is asked only what it was not
    asked then.

    Raises:
        ConfigError: The file is no `result.json`, or of a newer version.
        VideoError: The video is not where it was.
    """
    file = Path(result_file)
    earlier = Run.read(file / RESULT_NAME if file.is_dir() else file)
    video = open_as(earlier.video)
    return segment(
        video.source,
        text=[reference.text for reference in earlier.references],
        config=load_config(settings=earlier.config, environment={}),
        out=out,
        resume=resume,
        overwrite=overwrite,
        start=earlier.video.start,
        end=earlier.video.end,
        every=earlier.video.every,
        progress=progress,
        again=earlier,
    )


def expressions(text: str | Sequence[str]) -> list[Expression]:
    """Check the texts and number them.

    Raises:
        ConfigError: None at all, an empty one, one without a letter, one that is too long.
    """
    texts = [text] if isinstance(text, str) else list(text or [])
    if not texts:
        raise ConfigError('Say what to segment: --text "the dog".')
    return [Expression(_checked(each), str(i)) for i, each in enumerate(texts)]


def _checked(text: str) -> str:
    if not isinstance(text, str):
        raise ConfigError(f"An expression is text, got {type(text).__name__}.")
    if not text.strip():
        raise ConfigError('An expression is empty; say what to segment: --text "the dog".')
    shown = text if len(text) <= 40 else text[:40] + "…"
    if len(text) > MAX_EXPRESSION:
        raise ConfigError(
            f"The expression {shown!r} has {len(text)} characters; at most {MAX_EXPRESSION} "
            "are taken."
        )
    # Control characters and halves of characters; joiners (Cf) belong to ordinary writing.
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise ConfigError(f"The expression {shown!r} has control characters; one line of text.")
    if not any(character.isalpha() for character in text):
        raise ConfigError(f"The expression {shown!r} has no words; say it as in “the dog”.")
    return " ".join(text.split())


def decisive(config: Config | Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide what a run gives; how patiently an LLM is asked does not."""
    plain = config.model_dump(mode="json") if isinstance(config, Config) else dict(config)
    for section, keys in OPERATIONAL.items():
        kept = {key: value for key, value in plain[section].items() if key not in keys}
        plain = plain | {section: kept}
    return plain


def _config(
    config: Config | str | Path | None,
    profile: str | None,
    settings: Sequence[str] | Mapping[str, Any],
) -> Config:
    if isinstance(config, Config):
        if profile is not None or settings:
            raise ConfigError("Give a loaded config, or a profile and settings, not both.")
        return config
    if config is not None and not isinstance(config, str | Path):
        raise ConfigError(f"config should be a Config or a file, got {type(config).__name__}.")
    lines = [settings] if isinstance(settings, str) else settings
    return load_config(profile, None if config is None else Path(config), lines)


def _seconds(calls: Sequence[Call]) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for call in calls:
        seconds[call.tool] = round(seconds.get(call.tool, 0.0) + call.seconds, 3)
    return seconds
