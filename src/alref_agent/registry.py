"""Names of plug-ins -> classes, imported on request.

The built-in names are the tables below; other packages add theirs through entry points, one group
a kind: `alref_agent.detectors`, `alref_agent.providers`, `alref_agent.segmenters`,
`alref_agent.strategies`, `alref_agent.tools`. Nothing is imported before `load` is called.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from alref_agent.errors import (
    AlrefError,
    BackendError,
    ConfigError,
    MissingPackageError,
    UnknownNameError,
    unknown,
)

BUILT_IN: dict[str, dict[str, str]] = {
    "detector": {
        "grounding-dino": "alref_agent.tools.detection.grounding_dino:GroundingDino",
        "grounding-dino-official": (
            "alref_agent.tools.detection.grounding_dino_official:GroundingDinoOfficial"
        ),
        "mm-grounding-dino": "alref_agent.tools.detection.grounding_dino:MmGroundingDino",
        "owlv2": "alref_agent.tools.detection.owlv2:Owlv2",
        "ssd": "alref_agent.tools.detection.ssd:Ssd",
        "vlm": "alref_agent.tools.detection.vlm:Vlm",
    },
    "segmenter": {
        "edgetam": "alref_agent.tools.segmentation.edgetam:EdgeTam",
        "flow": "alref_agent.tools.segmentation.flow:Flow",
        "sam2": "alref_agent.tools.segmentation.sam2:Sam2",
        "sam2-official": "alref_agent.tools.segmentation.sam2_official:Sam2Official",
    },
    "provider": {
        "hf": "alref_agent.providers.transformers:Transformers",
        "ollama": "alref_agent.providers.ollama:Ollama",
        "openai": "alref_agent.providers.openai:OpenAi",
        "replay": "alref_agent.providers.replay:Replay",
        "scripted": "alref_agent.providers.scripted:Scripted",
    },
    "strategy": {
        "agent": "alref_agent.agent.tool_agent:ToolAgent",
        "gpt-ps": "alref_agent.agent.gpt_ps:GptPs",
        "top-box": "alref_agent.agent.top_box:TopBox",
        "top-track": "alref_agent.agent.top_track:TopTrack",
    },
    "tool": {
        "contact_sheet": "alref_agent.tools.sheets:ContactSheet",
        "detect_objects": "alref_agent.tools.detection.detect_objects:DetectObjects",
        "link_boxes": "alref_agent.tools.detection.link_boxes:LinkBoxes",
        "sample_frames": "alref_agent.tools.frames:SampleFrames",
        "segment_video": "alref_agent.tools.segmentation.segment_video:SegmentVideo",
    },
}
"""kind -> name -> "module:Class"."""

EXTRAS: dict[str, str] = {
    "agent": "llm",
    "edgetam": "models",
    "grounding-dino": "models",
    "grounding-dino-official": "official",
    "hf": "hf",
    "mm-grounding-dino": "models",
    "ollama": "llm",
    "openai": "llm",
    "owlv2": "models",
    "sam2": "models",
    "sam2-official": "official",
    "ssd": "offline",
}
"""Built-in name -> the extra that installs what it needs."""


def names(kind: str) -> list[str]:
    """All names of one kind, built-in and from plug-ins, sorted."""
    return sorted({*BUILT_IN[kind], *_plug_ins(kind)})


def check(kind: str, name: str) -> None:
    """Refuse an unknown name without importing anything.

    Raises:
        UnknownNameError: No built-in and no plug-in has that name.
    """
    if name not in names(kind):
        raise UnknownNameError(unknown(kind, name, names(kind)))


def load(kind: str, name: str) -> Any:
    """The class behind a name.

    Raises:
        UnknownNameError: No built-in and no plug-in has that name.
        ConfigError: A plug-in claims a name that is taken.
        MissingPackageError: A package that the class imports is not installed.
    """
    check(kind, name)
    found = _plug_ins(kind).get(name, [])
    if len(found) + (name in BUILT_IN[kind]) > 1:
        owners = ", ".join(point.value for point in found)
        raise ConfigError(f"Several packages offer the {kind} {name!r} ({owners}): remove one.")
    target = found[0].value if found else BUILT_IN[kind][name]
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and missing.partition(".")[0] != module.partition(".")[0]:
            raise MissingPackageError(_install(kind, name, missing)) from error
        if not found:  # a broken import of our own is a bug: show it
            raise
        raise ConfigError(
            f"The {kind} {name!r} of the package {origin(kind, name)!r} cannot be loaded: {error}. "
            "Update or remove that package."
        ) from error


def origin(kind: str, name: str) -> str:
    """Where a name comes from: `built-in` or the name of the package that adds it."""
    if name in BUILT_IN[kind]:
        return "built-in"
    point = _plug_ins(kind)[name][0]
    return point.dist.name if point.dist else point.value


@contextmanager
def blaming(kind: str, name: str) -> Iterator[None]:
    """Turn what a plug-in raises by mistake into one line that names it.

    An error of a built-in is our own bug, and stays as it is.

    Raises:
        BackendError: The block raised something else than an `AlrefError`.
    """
    try:
        yield
    except AlrefError:
        raise
    except Exception as error:
        if name in BUILT_IN.get(kind, {}) or name not in names(kind):
            raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise BackendError(
            f"The {kind} {name!r} of the package {origin(kind, name)!r} failed: "
            f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})."
        ) from error


def _plug_ins(kind: str) -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=f"alref_agent.{_plural(kind)}"):
        found.setdefault(point.name, []).append(point)
    return found


def _plural(kind: str) -> str:
    return "strategies" if kind == "strategy" else f"{kind}s"


def _install(kind: str, name: str, missing: str) -> str:
    extra = EXTRAS.get(name)
    top = missing.partition(".")[0]
    package = f"'alref-agent[{extra}]'" if extra else top
    if extra == "official":  # packages that no extra can bring
        package += ", then as docs/models.md says under The original packages"
    return (
        f"The {kind} {name!r} needs the package {top!r}, which is not installed: "
        f"pip install {package}"
    )
