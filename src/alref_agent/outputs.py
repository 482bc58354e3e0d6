"""The files of a run folder, written in one pass over the video."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

import numpy as np

from alref_agent.agent.strategy import Answer
from alref_agent.media.atomic import whole_file
from alref_agent.media.coco import CocoWriter
from alref_agent.media.folders import whole_folder
from alref_agent.media.masks import decode_rle, label_map, write_binary_png, write_label_png
from alref_agent.media.overlay import OverlayWriter
from alref_agent.record import ObjectRecord
from alref_agent.sections import OutputConfig
from alref_agent.types import Mask
from alref_agent.workspace import Workspace

MASKS, BINARY, COCO, OVERLAY, CALLS = (
    "masks",
    "binary",
    "masks.json",
    "overlay.mp4",
    "record/calls.jsonl",
)


LABEL_WIDTH = 32
"""Characters of a name in the overlay: a longer one would hide more than it tells."""


@dataclass(frozen=True)
class Written:
    """What is in the run folder."""

    files: dict[str, str]
    """What -> path within the run folder."""
    warnings: list[str]


def write_outputs(workspace: Workspace, answer: Answer, settings: OutputConfig) -> Written:
    """Write masks, overlay and record; each appears whole or not at all.

    Returns:
        What was written, and what had to be left out.

    Raises:
        OutputError: Something cannot be written; the disk is full.
    """
    folder, video = workspace.folder, workspace.video
    size = (video.height, video.width)
    names = object_names(answer.objects)
    files = {"masks": MASKS, "coco": COCO, "calls": CALLS}
    files |= {"overlay": OVERLAY} if settings.overlay else {}
    files |= {"binary": BINARY} if settings.binary else {}
    with ExitStack() as stack:
        palette = stack.enter_context(whole_folder(folder / MASKS))
        binary = stack.enter_context(
            whole_folder(folder / BINARY) if settings.binary else nullcontext()
        )
        coco = stack.enter_context(
            CocoWriter(
                folder / COCO,
                video_name=video.source.stem,
                height=video.height,
                width=video.width,
                frame_names=[video.frame_name(i) for i in range(video.n_frames)],
                names=names,
            )
        )
        overlay = stack.enter_context(
            OverlayWriter(folder / OVERLAY, video, names) if settings.overlay else nullcontext()
        )
        for frame_idx, frame in workspace.progress.track(video.frames(), "write", video.n_frames):
            packed = workspace.packed_masks_on(answer.masks, frame_idx) if answer.masks else {}
            masks = {obj_id: decode_rle(rle) for obj_id, rle in packed.items()}
            file_name = f"{video.frame_name(frame_idx)}.png"
            write_label_png(palette / file_name, label_map(masks, size))
            for obj_id, rle in packed.items():
                coco.write(obj_id, frame_idx, rle)
            if binary is not None:
                _write_binaries(binary, file_name, {i: masks.get(i) for i in names}, size)
            if overlay is not None:
                overlay.write(frame_idx, frame, masks)
    with whole_file(folder / CALLS) as path:
        lines = [call.model_dump_json() for call in workspace.calls()]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Written(files, overlay.warnings if overlay is not None else [])


def object_names(objects: list[ObjectRecord]) -> dict[int, str]:
    """`obj_id` -> the expressions that name it, of the objects that were found.

    Objects of one expression are told apart by what the detector calls them.
    """
    found = [record for record in objects if record.status != "no-target"]
    shared = Counter(record.exp_id for record in found)
    texts: dict[int, list[str]] = {}
    for record in found:
        prefix = f"{record.label}: " if shared[record.exp_id] > 1 and record.label else ""
        texts.setdefault(record.obj_id, []).append(prefix + record.expression)
    names = {obj_id: " / ".join(dict.fromkeys(each)) for obj_id, each in texts.items()}
    return {obj_id: shorten(name, LABEL_WIDTH, placeholder=" …") for obj_id, name in names.items()}


def _write_binaries(
    folder: Path, file_name: str, masks: dict[int, Mask | None], size: tuple[int, int]
) -> None:
    for obj_id, mask in masks.items():
        whole = np.zeros(size, np.bool_) if mask is None else mask
        write_binary_png(folder / str(obj_id) / file_name, whole)
