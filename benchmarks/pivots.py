"""How far reasoning can lift `gpt-ps` over `top-box` with the same tools, told by an oracle LLM.

    python benchmarks/pivots.py [DIR [SEQUENCE ...]] [--clip FOLDER] [--every N] [--seeds 3]
        [--set key=value] [--jobs 2]

DIR is laid out as for `offline_davis.py`; FOLDER as `examples/clip`: `clip.mp4`, `masks/00000.png`
and `expressions.json`, `{"1": ["the white cow", ...]}` by the index in the masks.

The oracle answers from the truth and chooses among what a question shows: in step 1 the frame on
which most of the object is to be seen, in step 2 the box that overlaps most with it (v1: one box,
as the paper) or the boxes that together cover it best (v2: several objects). Its replies are text
and go through the exchange, the reply parser and the record as those of any LLM. The random
answerer names any frame and any box, and never says that nothing fits; its figures are means over
`--seeds` runs. J and F are taken as in `offline_davis.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from alref_agent import build
from alref_agent.agent.boxes import iou
from alref_agent.agent.gpt_ps import GptPs
from alref_agent.agent.pivots import candidates
from alref_agent.agent.questions import FRAME
from alref_agent.agent.strategy import Answer
from alref_agent.config import Config, load_config
from alref_agent.media.video import open_video
from alref_agent.progress import Progress
from alref_agent.prompts.library import PromptLibrary
from alref_agent.providers.budget import Budget
from alref_agent.providers.exchange import Exchange
from alref_agent.providers.llm import Llm, Outcome, Question
from alref_agent.providers.messages import Request, Sampling
from alref_agent.providers.policy import Policy, Sender
from alref_agent.providers.prices import Prices
from alref_agent.providers.scripted import Scripted
from alref_agent.tools.assembly import toolbox
from alref_agent.tools.detection.detect_objects import DetectObjects
from alref_agent.tools.detection.detector import Detector
from alref_agent.tools.tool import Backend, Toolbox
from alref_agent.types import Detections, Expression, Floats, Frame, Grounding, Mask
from alref_agent.workspace import Workspace
from scoring import level, score, truths_in

LEAST_IOU = 0.1
"""A box that overlaps less with the object's box is none of it."""
LEAST_GAIN = 0.1
"""What another box must add to how well all of them fit: the share of the object's pixels that they
show, times how tight they are around those (mean IoU)."""
SAME_THING = 0.5
"""Boxes that overlap more than this (IoU) are not chosen as two objects."""
FIRST, BEST, TRACK = "top-box first", "top-box best", "top-track"
ORACLE, ORACLE_V2, RANDOM = "gpt-ps oracle", "gpt-ps oracle v2", "gpt-ps random"
VARIANTS = (FIRST, BEST, TRACK, ORACLE, ORACLE_V2, RANDOM)


# Who answers ---------------------------------------------------------------------------------


class Mind(Protocol):
    """Chooses frames and boxes; numbers count from 1."""

    def frame(self, frame_idxs: Sequence[int]) -> int | None:
        """The frame of a window; None: it is on none."""
        ...

    def boxes(self, found: Detections, several: bool) -> list[int]:
        """The boxes on the pivot frame; empty: none fits."""
        ...


class Oracle:
    """Knows the truth."""

    def __init__(self, truths: Sequence[Mask]) -> None:
        self._truths = truths

    def frame(self, frame_idxs: Sequence[int]) -> int | None:
        """Where most of it is to be seen; of equals the earliest."""
        areas = [int(np.count_nonzero(self._truths[i])) for i in frame_idxs]
        return int(np.argmax(areas)) + 1 if any(areas) else None

    def boxes(self, found: Detections, several: bool) -> list[int]:
        """The box nearest to the truth's, or the boxes that cover it best."""
        truth = self._truths[found.frame_idx]
        if not truth.any():
            return []
        if several:
            return self._cover(found.boxes, truth)
        overlaps = [iou(box, box_around(truth)) for box in found.boxes]
        best = int(np.argmax(overlaps))
        return [best + 1] if overlaps[best] >= LEAST_IOU else []

    def _cover(self, boxes: Floats, truth: Mask) -> list[int]:
        """Boxes that share the object's pixels among them, each tight around what it has."""
        parts = [filled(box, truth.shape) & truth for box in boxes]
        tight = [
            iou(box, box_around(part)) if part.any() else 0.0
            for box, part in zip(boxes, parts, strict=True)
        ]

        def fit(chosen: Sequence[int]) -> float:
            shown = np.logical_or.reduce([parts[n] for n in chosen]).sum() / truth.sum()
            return float(shown * np.mean([tight[n] for n in chosen]))

        chosen: list[int] = []
        reached = 0.0
        while True:
            fits = [
                (fit([*chosen, n]), -n)
                for n in range(len(boxes))
                if all(iou(boxes[n], boxes[m]) <= SAME_THING for m in chosen)
            ]
            best, n = max(fits, default=(0.0, 0))
            if best - reached < LEAST_GAIN if chosen else best < LEAST_IOU:
                return sorted(m + 1 for m in chosen)
            chosen.append(-n)
            reached = best


class Guess:
    """Takes any frame and any box."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def frame(self, frame_idxs: Sequence[int]) -> int | None:
        """Any."""
        return self._random.randint(1, len(frame_idxs))

    def boxes(self, found: Detections, several: bool) -> list[int]:
        """Any one."""
        return [self._random.randint(1, len(found.scores))]


def box_around(mask: Mask) -> Floats:
    """The bounding box of a mask that is not empty, xyxy."""
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([xs[0], ys[0], xs[-1] + 1, ys[-1] + 1], np.float32)


def filled(box: Floats, shape: tuple[int, ...]) -> Mask:
    """The pixels of a box."""
    mask = np.zeros(shape, np.bool_)
    x0, y0, x1, y1 = np.round(box).astype(int)
    mask[max(0, y0) : y1, max(0, x0) : x1] = True
    return mask


def blank(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The shortest object that has all fields of a JSON schema."""
    nothing = {"string": "", "array": [], "number": 1.0, "integer": 1}
    properties: Mapping[str, Any] = schema.get("properties", {})
    return {name: nothing.get(of.get("type")) for name, of in properties.items()}


class MindLlm(Llm):
    """An LLM whose words are those of a mind, which is told what each question shows."""

    def __init__(self, mind: Mind, workspace: Workspace, text: str, config: Config) -> None:
        """Put a provider under it that answers from what the mind said.

        Args:
            mind: Who answers.
            workspace: Where the candidates on a frame are found.
            text: The expression.
            config: The settings of the strategy.
        """
        provider, prices = Scripted(self._said), Prices({})
        sender = Sender(provider, Policy(attempts=1), Budget(), prices)
        library = PromptLibrary(config.prompts.paths)
        super().__init__(Exchange(provider, sender, prices), Sampling(), library, concurrency=1)
        self._mind = mind
        self._workspace = workspace
        self._text = text
        self._most = config.gpt_ps.max_candidates
        self._replies: dict[str, str] = {}
        self.pivots: dict[tuple[int, ...], int] = {}
        """The frames of a window -> its pivot, as chosen in step 1."""

    def ask(
        self, questions: Sequence[Question[Any]], progress: Progress | None = None, stage: str = ""
    ) -> list[Outcome[Any]]:
        """Let the mind think of the replies, then ask as ever."""
        for question in questions:
            self._replies[self.request(question).digest] = self._reply(question)
        return super().ask(questions, progress, stage)

    def _said(self, request: Request) -> str:
        return self._replies[request.digest]

    def _reply(self, question: Question[Any]) -> str:
        prompt = question.rendered.prompt
        if prompt.step == FRAME:
            number = self._mind.frame(question.frames)
            if number is not None:
                self.pivots[question.frames] = question.frames[number - 1]
            chosen = [] if number is None else [number]
            content: dict[str, Any] = {"frame": number}
        else:
            found = self._candidates(self.pivots[question.frames])
            chosen = self._mind.boxes(found, prompt.reply == "json")
            content = {"boxes": chosen}
        if prompt.reply == "json":
            return json.dumps(blank(prompt.schema or {}) | content)
        return f"So it is. [{', '.join(map(str, chosen or [-1]))}]"

    def _candidates(self, frame_idx: int) -> Detections:
        """What is drawn on a pivot frame."""
        for call in self._workspace.calls():
            if call.tool != DetectObjects.name or (call.arguments or {}).get("box_threshold"):
                continue
            for entry in (call.result or {})["detections"]:
                if entry["expression"] == self._text:
                    frames = {d.frame_idx: d for d in self._workspace.detections(entry["id"])[2]}
                    found = candidates(frames, frame_idx, self._most)
                    if found is not None:
                        return found
        raise LookupError(f"nothing was detected on frame {frame_idx}")


# Where it happens ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """A video, expressions and the truth of each."""

    name: str
    source: Path
    expressions: list[tuple[str, Path, int | None]]
    """Text, folder of annotations, index in them (None: whatever is not black)."""


@dataclass
class Scored:
    """What came of a sequence."""

    name: str
    figures: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """Variant -> J and F of each of its runs."""
    calls: dict[str, int] = field(default_factory=dict)
    """Variant -> how often an LLM was asked."""
    lines: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def mean(self, variant: str) -> tuple[float, float]:
        """J and F over all expressions."""
        j, f = np.mean(self.figures[variant], axis=0)
        return float(j), float(f)


class Remembering:
    """A detector that looks at a frame once, for all expressions of a video."""

    def __init__(self, detector: Detector, expressions: Sequence[str]) -> None:
        self.version = detector.version
        self.batch_size = detector.batch_size
        self._detector = detector
        self._expressions = list(dict.fromkeys(expressions))
        self._seen: dict[tuple[int, float | None], dict[str, Detections]] = {}

    @classmethod
    def from_config(cls, config: Config) -> Remembering:
        """It is made around another one."""
        raise NotImplementedError

    def ground(self, expression: str) -> Grounding:
        """As the other."""
        return self._detector.ground(expression)

    def detect(
        self,
        frames: Mapping[int, Frame],
        expressions: Sequence[str],
        box_threshold: float | None = None,
    ) -> Sequence[Sequence[Detections]]:
        """As the other, or as it was before."""
        new = {i: frame for i, frame in frames.items() if (i, box_threshold) not in self._seen}
        found = self._detector.detect(new, self._expressions, box_threshold) if new else []
        for i, of_frame in zip(new, found, strict=True):
            self._seen[i, box_threshold] = dict(zip(self._expressions, of_frame, strict=True))
        return [[self._seen[i, box_threshold][text] for text in expressions] for i in frames]


def remembering_toolbox(config: Config, expressions: Sequence[str]) -> Toolbox:
    """The tools of the settings, over a detector that looks at each frame once."""
    tools = toolbox(config)
    tool = tools.get(DetectObjects)
    inner = tool.backend
    assert inner is not None
    tool.backend = Backend(
        inner.kind, inner.name, lambda: Remembering(inner.get(), expressions), inner.settings
    )
    return tools


def davis(folder: Path, names: Sequence[str]) -> Iterator[Shown]:
    """The sequences of a folder laid out as DAVIS-2016."""
    expressions: dict[str, list[str]] = json.loads(
        (folder / "expressions.json").read_text(encoding="utf-8")
    )
    frames, truths = (level(folder / part) for part in ("JPEGImages", "Annotations"))
    for name in names or sorted(expressions):
        yield Shown(
            name, frames / name, [(text, truths / name, None) for text in expressions[name]]
        )


def example(folder: Path) -> Shown:
    """The example clip."""
    expressions: dict[str, list[str]] = json.loads(
        (folder / "expressions.json").read_text(encoding="utf-8")
    )
    return Shown(
        folder.name,
        folder / "clip.mp4",
        [
            (text, folder / "masks", int(obj_id))
            for obj_id, texts in expressions.items()
            for text in texts
        ],
    )


def run(sequence: Shown, settings: Sequence[str], seeds: int, every: int = 1) -> Scored:
    """All variants on all expressions of a sequence, in one workspace: nothing is done twice."""
    started = time.perf_counter()
    scored = Scored(sequence.name)
    config = load_config("offline", settings=settings, environment={})
    tools = remembering_toolbox(config, [text for text, _, _ in sequence.expressions])
    known: dict[tuple[str | None, Path, int | None], tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        video = open_video(sequence.source, every=every)
        with closing(Workspace.create(Path(folder), video, {})) as workspace:
            for text, annotations, obj_id in sequence.expressions:
                truths = truths_in(annotations, obj_id)[::every]
                scored.lines.append(f"  {text}")
                for variant, answers in answered(workspace, tools, config, text, truths, seeds):
                    mine = []
                    for answer, llm in answers:
                        key = answer.masks, annotations, obj_id
                        if key not in known:
                            known[key] = score(unions(workspace, answer.masks), truths)
                        mine.append(known[key])
                        if llm is not None:
                            n = llm.usage().calls
                            scored.calls[variant] = scored.calls.get(variant, 0) + n
                    scored.figures.setdefault(variant, []).extend(mine)
                    about = pivots_of(answers[0][0]) if len(answers) == 1 else ""
                    j, f = np.mean(mine, axis=0)
                    scored.lines.append(f"    {variant:17} {figures(j, f)}  {about}".rstrip())
    scored.seconds = time.perf_counter() - started
    return scored


def answered(
    workspace: Workspace,
    tools: Toolbox,
    config: Config,
    text: str,
    truths: Sequence[Mask],
    seeds: int,
) -> Iterator[tuple[str, list[tuple[Answer, MindLlm | None]]]]:
    """Each variant and its runs: what it answered, and whom it asked."""
    references = [Expression(text, "0")]

    def silent(**settings: Any) -> list[tuple[Answer, MindLlm | None]]:
        strategy = build.strategy(changed(config, settings), tools, None)
        return [(strategy.run(workspace, references), None)]

    def asking(make: Callable[[int], Mind], box_prompt: str, n: int = 1) -> Any:
        chosen = changed(config, {"prompts.pivot_box": box_prompt})
        runs = []
        for i in range(n):
            llm = MindLlm(make(i), workspace, text, chosen)
            runs.append((GptPs.from_config(chosen, tools, llm).run(workspace, references), llm))
        return runs

    yield FIRST, silent(**{"strategy": "top-box", "top_box.pivot": "first"})
    yield BEST, silent(**{"strategy": "top-box", "top_box.pivot": "best"})
    yield TRACK, silent(strategy="top-track")
    yield ORACLE, asking(lambda _: Oracle(truths), "v1")
    yield ORACLE_V2, asking(lambda _: Oracle(truths), "v2")
    yield RANDOM, asking(lambda i: Guess(f"{i} {text}"), "v1", seeds)


def changed(config: Config, settings: dict[str, Any]) -> Config:
    """The same settings but for some."""
    plain = config.model_dump(mode="json")
    for key, value in settings.items():
        node = plain
        *path, last = key.split(".")
        for part in path:
            node = node[part]
        node[last] = value
    return Config.model_validate(plain)


def unions(workspace: Workspace, masks: str | None) -> Iterator[Mask]:
    """The union of all objects, frame by frame."""
    for i in range(workspace.video.n_frames):
        union = np.zeros((workspace.video.height, workspace.video.width), np.bool_)
        for mask in (workspace.masks_on(masks, i) if masks else {}).values():
            union |= mask
        yield union


def pivots_of(answer: Answer) -> str:
    """The pivots of all objects in a few words."""
    found = [
        f"{o.label} on {', '.join(str(p.frame_idx) for p in o.pivots)}"
        for o in answer.objects
        if o.status == "found"
    ]
    return "; ".join(found) or "; ".join(o.reason for o in answer.objects)[:60]


def figures(j: float, f: float) -> str:
    """J, F and their mean."""
    return f"J {j:.3f}  F {f:.3f}  J&F {(j + f) / 2:.3f}"


def table(results: Sequence[Scored]) -> list[str]:
    """J&F by sequence and variant, the mean over sequences, what it cost and what it lifts."""
    lines = [f"{'J&F':20}" + "".join(f"{v:>18}" for v in VARIANTS)]
    for scored in results:
        row = [float(np.mean(scored.mean(v))) for v in VARIANTS]
        lines.append(f"{scored.name:20}" + "".join(f"{figure:18.3f}" for figure in row))
    means = {v: np.mean([scored.mean(v) for scored in results], axis=0) for v in VARIANTS}
    for name, at in (("J", [0]), ("F", [1]), ("J&F", [0, 1])):
        row = [float(means[v][at].mean()) for v in VARIANTS]
        lines.append(f"{f'mean {name}':20}" + "".join(f"{figure:18.3f}" for figure in row))
    for oracle in (ORACLE, ORACLE_V2):
        lifts = [f"{means[oracle].mean() - means[v].mean():+.3f} over {v}" for v in VARIANTS]
        lines.append(f"{oracle}: " + ", ".join(lifts[:3] + lifts[5:]))
    calls = {v: sum(s.calls.get(v, 0) for s in results) for v in (ORACLE, ORACLE_V2, RANDOM)}
    lines.append("LLM calls: " + ", ".join(f"{v} {n}" for v, n in calls.items()))
    return lines


def main() -> None:
    """Run, score, print."""
    # Before the pool: every process has a core of its own.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("sequences", nargs="*")
    parser.add_argument("--clip", type=Path, help="a folder as examples/clip, in addition")
    parser.add_argument("--every", type=int, default=1, help="take every so many frames")
    parser.add_argument("--seeds", type=int, default=3, help="runs of the random answerer")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    options = parser.parse_args()
    sequences = list(davis(options.folder, options.sequences)) if options.folder else []
    sequences += [example(options.clip)] if options.clip else []
    if not sequences:
        parser.error("name a folder of sequences, or a --clip")
    started = time.perf_counter()
    done: dict[str, Scored] = {}
    with ProcessPoolExecutor(options.jobs) as pool:
        running = [
            pool.submit(run, sequence, options.set, options.seeds, options.every)
            for sequence in sequences
        ]
        for future in as_completed(running):
            scored = future.result()
            done[scored.name] = scored
            print(f"{scored.name} ({scored.seconds:.0f} s)", *scored.lines, sep="\n", flush=True)
    print(*table([done[sequence.name] for sequence in sequences]), sep="\n")
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
