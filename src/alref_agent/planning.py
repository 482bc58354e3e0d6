"""What a run would send to the LLM, and cost, found out without sending anything."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alref_agent import build
from alref_agent.agent.gpt_ps import GptPs
from alref_agent.agent.questions import BOX, FRAME
from alref_agent.agent.strategy import Plans
from alref_agent.agent.windows import Windows
from alref_agent.config import Config
from alref_agent.errors import ConfigError
from alref_agent.media.atomic import whole_file
from alref_agent.media.video import open_video
from alref_agent.pipeline import expressions
from alref_agent.prompts.library import PromptLibrary
from alref_agent.prompts.prompt import Prompt
from alref_agent.providers.assembly import llm
from alref_agent.providers.budget import Budget
from alref_agent.providers.exchange import Exchange
from alref_agent.providers.llm import Llm, Question
from alref_agent.providers.messages import Picture, Request, Sampling
from alref_agent.providers.names import NONE, resolve
from alref_agent.providers.policy import Policy, Sender
from alref_agent.providers.prices import Prices, count_tokens
from alref_agent.providers.scripted import Scripted
from alref_agent.sections import DetectorConfig
from alref_agent.tools.assembly import Asking, toolbox
from alref_agent.tools.detection.detect_objects import DetectObjects
from alref_agent.tools.detection.vlm_questions import DETECT, BoxQuestions
from alref_agent.tools.frames import SampleFrames
from alref_agent.tools.sheets import ContactSheet
from alref_agent.tools.tool import Toolbox
from alref_agent.types import Expression
from alref_agent.workspace import Workspace

TYPICAL_REPLY = 400
"""Tokens of a reply that reasons in some sentences, as the prompts ask for."""
_LOOKS = ("top-box", "top-track")
"""The strategies that ask no LLM themselves, of which it is known where they detect."""


@dataclass(frozen=True)
class Plan:
    """What a run would send at most, repair turns apart."""

    asked: str
    """Who would be asked."""
    calls: int
    known: int
    """Of the calls: those whose replies are there already."""
    input_tokens: int
    """Of the calls that would be made; an estimate."""
    output_tokens: int
    """The same, at `TYPICAL_REPLY` a reply."""
    cost: float | None
    """US dollars; None: no price is known."""
    prices_of: str
    """The day of the prices."""


@dataclass(frozen=True)
class Preview:
    """One request as a run would send it."""

    system: str
    text: str
    pictures: list[Picture]


def preview(
    prompt: Prompt, source: str | Path, text: str, config: Config, window: int = 1
) -> Preview:
    """What a prompt looks like when it is sent.

    Args:
        prompt: Of the step `pivot-frame`, `pivot-box` or `detect`; for the last, the frame in the
            middle of the window is looked at.
        source: The video.
        text: The expression.
        config: Which frames, which layout, which detector.
        window: Which window of frames, from 1.

    Raises:
        InputError: What a run itself would refuse; a prompt of another step.
    """
    if prompt.step not in (FRAME, BOX, DETECT):
        raise ConfigError(f"{prompt.id} is not sent with frames of a video: see `prompts show`.")
    (reference,) = expressions(text)
    video = open_video(source)
    if prompt.step == DETECT and config.detector.name != "vlm":
        own = DetectorConfig(name="vlm", max_boxes=config.detector.max_boxes)
        config = config.model_copy(update={"detector": own})
    nobody = Scripted([], _model_asked(config, prompt.step))
    prices = Prices({})
    exchange = Exchange(nobody, Sender(nobody, Policy(), Budget(), prices), prices)
    library = PromptLibrary(config.prompts.paths, {prompt.id: prompt.source})
    chosen = {prompt.step.replace("-", "_"): prompt.version}
    prompts = config.prompts.model_copy(update=chosen)
    config = config.model_copy(update={"prompts": prompts})
    with (
        tempfile.TemporaryDirectory() as scratch,
        closing(Workspace.create(Path(scratch), video, {})) as workspace,
    ):
        nobodys = Llm(exchange, Sampling(), library)
        tools = toolbox(config, Asking(nobodys, workspace))
        question: Question[Any]
        if prompt.step == DETECT:
            frame_idx = _middle(tools, workspace, config, window)
            frame = workspace.video.frame(frame_idx)
            question = BoxQuestions(nobodys, config).question(frame_idx, frame, reference.text)
        else:
            strategy = GptPs(tools, nobodys, config)
            question = strategy.preview(workspace, reference, prompt.step, window)
    return Preview(question.rendered.system, question.rendered.text, list(question.pictures))


def _model_asked(config: Config, step: str) -> str:
    """The model that would be asked in a step, by whose name boxes are asked for in its form."""
    settings = build.llm_config(config).llm
    name = settings.step_models.get(step, settings.model)
    return "nobody" if name == NONE else resolve(name).model


def write_preview(shown: Preview, folder: Path) -> list[Path]:
    """Write a preview's text and pictures into a folder; files of the same names are replaced.

    Raises:
        OutputError: They cannot be written.
    """
    contents = {"prompt.txt": f"{shown.system}\n\n{shown.text}".strip().encode()}
    for number, picture in enumerate(shown.pictures, start=1):
        suffix = picture.mime_type.rpartition("/")[2].replace("jpeg", "jpg")
        contents[f"picture-{number}.{suffix}"] = picture.data
    for name, content in contents.items():
        with whole_file(folder / name) as path:
            path.write_bytes(content)
    return [folder / name for name in contents]


def plan(
    source: str | Path,
    text: str | Sequence[str],
    config: Config,
    *,
    start: int | str | None = None,
    end: int | str | None = None,
    every: int = 1,
) -> Plan:
    """What a run would send; see `pipeline.segment` for the arguments. Nothing is written.

    Raises:
        InputError: What the run itself would refuse.
    """
    references = expressions(text)
    build.check(config)
    if not build.asks_llm(config):
        raise ConfigError("--dry-run prices what is sent to an LLM, and these settings ask none.")
    video = open_video(source, start=start, end=end, every=every)
    asked = llm(build.llm_config(config), lenient=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        closing(Workspace.create(Path(scratch), video, {})) as workspace,
    ):
        tools = toolbox(config, Asking(asked, workspace))
        planned = _planned(config, tools, asked, workspace, references)
        prices = Prices.load(config.llm.prices)
        calls = known = tokens = 0
        cost: float | None = 0.0
        who: dict[str, None] = {}
        for step, request in planned:
            exchange = asked.exchange(step)
            who[exchange.asked] = None
            calls += 1
            if exchange.known(request):
                known += 1
                continue
            tokens += count_tokens(request)
            one = prices.at_most(exchange.provider.model, request, TYPICAL_REPLY)
            cost = None if cost is None or one is None else cost + one
    return Plan(
        asked=", ".join(who),
        calls=calls,
        known=known,
        input_tokens=tokens,
        output_tokens=TYPICAL_REPLY * (calls - known),
        cost=None if cost is None else round(cost, 4),
        prices_of=str(prices.checked),
    )


def _planned(
    config: Config,
    tools: Toolbox,
    asked: Llm,
    workspace: Workspace,
    references: Sequence[Expression],
) -> Iterator[tuple[str, Request]]:
    """Step and request of all that a run would send at most, one by one: pictures are large.

    Raises:
        ConfigError: It depends on what the LLM says.
    """
    name = build.strategy_name(config)
    strategy = build.strategy(config, tools, asked)
    if name not in _LOOKS and not isinstance(strategy, Plans):
        raise ConfigError(
            f"What the strategy {name!r} sends depends on the LLM: "
            "limit it with --max-calls or --max-cost."
        )
    if isinstance(strategy, Plans):
        yield from strategy.plan(workspace, references)
    if "detector" not in build.asking_backends(config):
        return
    detect = tools.get(DetectObjects)
    assert detect.backend is not None
    detector = detect.backend.get()
    if not hasattr(detector, "plan"):
        raise ConfigError(f"The detector {config.detector.name!r} does not say what it would send.")
    for i in _looked_at(config, tools, workspace):
        for request in detector.plan({i: workspace.video.frame(i)}, [r.text for r in references]):
            yield DETECT, request


def _looked_at(config: Config, tools: Toolbox, workspace: Workspace) -> list[int]:
    """The frames on which the detector may be asked."""
    name = build.strategy_name(config)
    if name not in _LOOKS:  # on pivot frames at first, then on all that the LLM was shown
        windows = _windows(tools, config).of(workspace)
        frames = [i for window in windows for i in window.frame_idxs]
        return sorted({*frames, *([0] if config.fallback == "top-box" else [])})
    if name == "top-box" and config.top_box.pivot == "first":
        return [0]
    sampled = tools.get(SampleFrames)(workspace, step=config.sampling.step)
    return [frame.frame_idx for frame in sampled.frames]


def _windows(tools: Toolbox, config: Config) -> Windows:
    return Windows(tools.get(SampleFrames), tools.get(ContactSheet), config)


def _middle(tools: Toolbox, workspace: Workspace, config: Config, number: int) -> int:
    """The frame in the middle of a window."""
    windows = _windows(tools, config).of(workspace)
    if not 1 <= number <= len(windows):
        raise ConfigError(f"There is no window {number}: the video has {len(windows)}.")
    frames = windows[number - 1].frame_idxs
    return frames[(len(frames) - 1) // 2]
