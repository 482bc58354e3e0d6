"""The page: what came of a run and why, in one file that needs no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FunctionLoader, StrictUndefined, Template

from alref_agent.media.atomic import whole_file
from alref_agent.media.palette import COLOURS
from alref_agent.record import ObjectRecord, ReferenceRecord, RequestRecord, RunResult
from alref_agent.report.answers import answers, headline
from alref_agent.report.costs import Fallback, costs, in_words, taken
from alref_agent.report.looks import Look, Seen, Track
from alref_agent.report.pictures import Album
from alref_agent.report.stills import Stills, colours
from alref_agent.report.talks import MOST, Step, steps
from alref_agent.report.words import Places, clock, counted, cut, finalize, money, shorter
from alref_agent.workspace import Workspace

REPORT = "report.html"
MOST_DECISIONS = 60
"""Expressions whose decision is shown in full."""


@dataclass(frozen=True)
class Decision:
    """How one expression was decided."""

    reference: ReferenceRecord
    objects: list[ObjectRecord]
    steps: list[Step]
    looks: list[Look]
    more_looks: int
    tracks: list[Track]
    more_tracks: int
    fallbacks: list[Fallback]
    followed: bool
    """Whether the segmenter was given more boxes than those that the LLM chose."""
    pivot_reasons: bool
    """Whether the choice repeats why each pivot was chosen; else it is read above, in full."""


def write_report(workspace: Workspace, result: RunResult, masks: str | None) -> None:
    """Write `report.html` into the run folder, whole or not at all.

    What is missing, a picture or a frame that cannot be read, is said on the page.

    Args:
        workspace: The run's workspace: its frames, masks and calls.
        result: What is about to be written as `result.json`.
        masks: Id of the masks in the workspace; None where there are none.

    Raises:
        OutputError: It cannot be written; the disk is full.
    """
    page = render(workspace, result, masks)
    with whole_file(workspace.folder / REPORT) as path:
        # Everything on the page went through `words.seen`; this is for what nobody thought of.
        path.write_bytes(page.encode("utf-8", "backslashreplace"))


def render(workspace: Workspace, result: RunResult, masks: str | None) -> str:
    """The page as text.

    Args:
        workspace: The run's workspace.
        result: The run.
        masks: Id of the masks in the workspace; None where there are none.
    """
    source = Path(result.video.source)
    places = Places(
        {
            Path.home(): "~",
            workspace.folder.resolve(): "the run folder",
            source.parent: "the video's folder",
        }
    )
    result = _without_places(result, places)
    drawn = colours([o.obj_id for o in result.objects if o.status != "no-target"])
    stills = Stills(workspace, masks, list(drawn))
    album = Album(workspace.folder)
    name = shorter(source.name)
    video = workspace.video
    seconds = video.n_frames / video.fps if video.fps > 0 else 0.0
    found = answers(result, stills, album, drawn)
    decisions = _decisions(workspace, result, stills, album)
    return _template().render(
        headline=headline(result, name),
        video=name,
        facts=[
            f"{video.width} by {video.height} pixels",
            counted(video.n_frames, "frame"),
            f"{clock(seconds)} at {video.fps:.4g} frames a second",
            f"strategy {shorter(result.strategy)}",
            in_words(result),
        ],
        part=_part(result),
        asked=[r.text for r in result.references],
        answers=found,
        decisions=decisions,
        more_decisions=max(0, len(result.references) - len(decisions)),
        asks_llm=bool(result.requests),
        shows_pictures=any(r.pictures for r in result.requests),
        costs=costs(result),
        result=result,
        settings=cut(_yaml(result.config)),
        prompts=[(p, cut(p.source)) for p in result.prompts],
        files=_files(result),
        found_any=any(o.status == "found" for o in result.objects),
        place=stills.place,
        swatches=drawn,
        # Last: until here pictures were still added.
        shared=album.shared,
        colours=COLOURS,
        n_colours=len(COLOURS),
    )


def _decisions(
    workspace: Workspace, result: RunResult, stills: Stills, album: Album
) -> list[Decision]:
    seen = Seen(workspace)
    unique = {reference.exp_id: reference for reference in result.references}
    kept = list(unique.values())[:MOST_DECISIONS]
    made = []
    for reference in kept:
        requests = [r for r in result.requests if r.exp_id == reference.exp_id]
        objects = [o for o in result.objects if o.exp_id == reference.exp_id]
        talks = steps(requests, stills, album, max(10, MOST // len(kept)))
        looks, more_looks = seen.looks(
            reference.text,
            objects,
            _named(requests),
            stills,
            album,
            _most_boxes(result.config, bool(requests)),
        )
        tracks, more_tracks = seen.tracks(reference.text, stills)
        if requests and not any(track.chosen for track in tracks):
            # There they only tell which boxes of different frames are one object.
            tracks, more_tracks = [], 0
        made.append(
            Decision(
                reference=reference,
                objects=objects,
                steps=talks,
                looks=looks,
                more_looks=more_looks,
                tracks=tracks,
                more_tracks=more_tracks,
                fallbacks=[taken(f) for f in result.fallbacks if f.exp_id == reference.exp_id],
                followed=bool(requests) and _followed(result),
                pivot_reasons=all(r.step != "pivot-box" for r in requests),
            )
        )
    return made


def _followed(result: RunResult) -> bool:
    settings = result.config.get("gpt_ps")
    tracks = isinstance(settings, Mapping) and settings.get("follow") == "tracks"
    return result.strategy == "gpt-ps" and tracks


def _named(requests: list[RequestRecord]) -> list[int]:
    """The frames that an LLM named in step 1, as `frame_idx`."""
    named = []
    for record in requests:
        number = (record.understood or {}).get("frame")
        if isinstance(number, int) and 1 <= number <= len(record.frames):
            named.append(record.frames[number - 1])
    return named


def _most_boxes(config: Mapping[str, Any], asked: bool) -> int:
    """How many boxes are drawn on a frame: as many as the LLM saw, so that numbers agree."""
    settings = config.get("gpt_ps")
    most = settings.get("max_candidates") if isinstance(settings, Mapping) else None
    return most if asked and isinstance(most, int) and 1 <= most <= len(COLOURS) else 6


def _files(result: RunResult) -> list[str]:
    """What lies in the run folder; with an LLM, all that it was sent and said."""
    talk = {"record/replies"} if result.requests else set()
    sheets = {"record/sheets"} if any(r.pictures for r in result.requests) else set()
    return sorted({*result.files.values(), "result.json", *talk, *sheets})


def _part(result: RunResult) -> str:
    """Which part of the source was looked at, where that is not all of it."""
    video = result.video
    said = []
    if video.start:
        said.append(f"from frame {video.start:,} of the file")
    if video.every > 1:
        said.append(f"every {video.every}. frame of the file")
    return ", ".join(said)


def _yaml(config: Mapping[str, Any]) -> str:
    try:
        return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=100)
    except (yaml.YAMLError, UnicodeError, ValueError):
        return "\n".join(f"{key}: {value!r}" for key, value in config.items())


def _without_places(result: RunResult, places: Places) -> RunResult:
    """The result without folders of the machine in what this program wrote itself."""

    def deep(value: Any) -> Any:
        if isinstance(value, str):
            return places(value)
        if isinstance(value, Mapping):
            return {key: deep(each) for key, each in value.items()}
        return [deep(each) for each in value] if isinstance(value, list | tuple) else value

    return result.model_copy(
        update={
            "config": deep(result.config),
            "warnings": deep(result.warnings),
            "fallbacks": [
                f.model_copy(update={"reason": places(f.reason)}) for f in result.fallbacks
            ],
            "objects": [o.model_copy(update={"reason": places(o.reason)}) for o in result.objects],
            "requests": [
                r.model_copy(update={"asked": places(r.asked), "problem": places(r.problem)})
                for r in result.requests
            ],
        }
    )


def _template() -> Template:
    folder = resources.files(__package__)
    environment = Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text("utf-8")),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"money": money, "shorter": shorter, "counted": counted}
    return environment.get_template("page.html")
