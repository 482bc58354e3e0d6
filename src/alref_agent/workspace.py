"""One video and one run folder: what the tools share, and what was done with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np

from alref_agent.errors import BackendError, ConfigError, InputError, VideoError
from alref_agent.media.fingerprint import fingerprint
from alref_agent.media.masks import Rle, decode_rle, encode_rle
from alref_agent.media.video import OpenedVideo, open_video
from alref_agent.progress import Progress, Silent
from alref_agent.record import Call, VideoRecord
from alref_agent.store import Store
from alref_agent.types import BoxTrack, Detections, Grounding, Mask, ObjectMask, Target

STORE_NAME = "workspace.sqlite"


class Workspace:
    """What tools read and write: the video, documents and masks by id, the record of calls."""

    def __init__(
        self, folder: Path, video: OpenedVideo, store: Store, progress: Progress | None = None
    ) -> None:
        self.folder = folder
        self.video = video
        self.progress: Progress = progress or Silent()
        self._store = store
        self._warnings: list[str] = []

    @classmethod
    def create(
        cls,
        folder: Path,
        video: OpenedVideo,
        request: dict[str, Any],
        progress: Progress | None = None,
    ) -> Self:
        """Begin in a folder, or go on with what the same request began there.

        Args:
            folder: The run folder, which exists.
            video: The video, opened.
            request: What the run was asked for; a folder goes on with the same request only.
            progress: Who listens to how far the work is.

        Raises:
            OutputError: The folder cannot be written.
            ConfigError: The folder belongs to another request.
        """
        store = Store(folder / STORE_NAME)
        known = store.fact("request")
        wanted = json.loads(json.dumps(request | {"video": _describe(video)}))
        if known is None:
            store.set_fact("request", wanted)
        elif known != wanted:
            store.close()
            raise ConfigError(
                f"{folder} was started with other settings ({_difference(known, wanted)}): "
                "use the same ones, --overwrite, or another --out."
            )
        return cls(folder, video, store, progress)

    @classmethod
    def open(cls, folder: Path, progress: Progress | None = None) -> Self:
        """Open a folder that exists, with the video that it was made for.

        Raises:
            ConfigError: The folder is no workspace.
            VideoError: The video is gone or has changed.
        """
        if not cls.is_one(folder):
            raise ConfigError(f"{folder} is no workspace.")
        store = Store(folder / STORE_NAME)
        try:
            known = store.fact("request")["video"]
            video = open_as(VideoRecord(**known))
        except BaseException:
            store.close()
            raise
        return cls(folder, video, store, progress)

    @staticmethod
    def is_one(folder: Path) -> bool:
        """Whether a folder is a workspace: one that was made for a video.

        Raises:
            OutputError: Another process has it; it is damaged.
        """
        if not (folder / STORE_NAME).is_file() or not (folder / STORE_NAME).stat().st_size:
            return False
        store = Store(folder / STORE_NAME)
        try:
            return store.fact("request") is not None
        finally:
            store.close()

    def close(self) -> None:
        """Let other processes use the folder."""
        self._store.close()

    @property
    def video_record(self) -> VideoRecord:
        """Which video this is."""
        return VideoRecord(**_describe(self.video))

    @property
    def settings(self) -> dict[str, Any] | None:
        """The settings that decide what its run gives; None where it was made for no run."""
        request = self._store.fact("request")
        settings: dict[str, Any] | None = request.get("config") if request else None
        return settings

    # Documents -----------------------------------------------------------------------------

    def add_detections(
        self, expression: str, grounding: Grounding, frames: Iterable[Detections]
    ) -> str:
        """Keep the detections for one expression; the id is `detections-N`."""
        return self._store.add(
            "detections",
            {
                "expression": expression,
                "grounding": asdict(grounding),
                "frames": [_plain(frame) for frame in frames],
            },
        )

    def detections(self, item: str) -> tuple[str, Grounding, list[Detections]]:
        """The expression, how it was understood, and the detections, by id."""
        document = self._store.get("detections", item)
        grounding = document["grounding"]
        targets = tuple(Target(**target) for target in grounding["targets"])
        frames = [
            Detections(
                frame_idx=frame["frame_idx"],
                boxes=np.array(frame["boxes"], np.float32).reshape(-1, 4),
                scores=np.array(frame["scores"], np.float32),
                phrases=tuple(frame["phrases"]),
                targets=np.array(frame["targets"], np.int32),
            )
            for frame in document["frames"]
        ]
        return document["expression"], Grounding(targets, grounding["reason"]), frames

    def add_box_track(self, track: BoxTrack) -> str:
        """Keep a box track; the id is `box-track-N`."""
        return self._store.add("box-track", _plain(track))

    def box_track(self, item: str) -> BoxTrack:
        """A box track, by id."""
        document = self._store.get("box-track", item)
        return BoxTrack(
            target=document["target"],
            label=document["label"],
            score=document["score"],
            motion=document["motion"],
            frame_idxs=np.array(document["frame_idxs"], np.int32),
            boxes=np.array(document["boxes"], np.float32).reshape(-1, 4),
            scores=np.array(document["scores"], np.float32),
        )

    # Masks ---------------------------------------------------------------------------------

    def add_masks(self, masks: Iterable[ObjectMask], obj_ids: Collection[int]) -> str:
        """Keep masks while they are made; the id is `masks-N`.

        Raises:
            BackendError: A mask of another size than the video's, of an object or frame that was
                not asked for, or one that came twice.
        """
        item = self._store.add("masks", {})
        size = (self.video.height, self.video.width)
        for mask in masks:
            if not isinstance(mask, ObjectMask) or mask.mask.shape != size:
                raise BackendError(f"The segmenter gave {_shape(mask)}: a mask of {size} expected.")
            if mask.obj_id not in obj_ids or not 0 <= mask.frame_idx < self.video.n_frames:
                raise BackendError(
                    f"The segmenter gave a mask of object {mask.obj_id} on frame "
                    f"{mask.frame_idx}: nobody asked for that."
                )
            area = int(np.count_nonzero(mask.mask))
            if area:
                rle = encode_rle(mask.mask)
                self._store.add_mask(item, mask.frame_idx, mask.obj_id, rle, mask.score, area)
        return item

    def masks_on(self, item: str, frame_idx: int) -> dict[int, Mask]:
        """`obj_id` -> mask, of the objects that are on a frame."""
        packed = self.packed_masks_on(item, frame_idx)
        return {obj_id: decode_rle(rle) for obj_id, rle in packed.items()}

    def packed_masks_on(self, item: str, frame_idx: int) -> dict[int, Rle]:
        """`obj_id` -> mask as run lengths, of the objects that are on a frame."""
        self._store.get("masks", item)
        return self._store.masks_on(item, frame_idx)

    def masks_summary(self, item: str) -> dict[int, tuple[int, int, int]]:
        """`obj_id` -> number of frames with a mask, the first and the last of them."""
        self._store.get("masks", item)
        return self._store.masks_summary(item)

    # The record ----------------------------------------------------------------------------

    @contextmanager
    def recording(self) -> Iterator[list[str]]:
        """All that a call keeps stays, or nothing does; yields the list for its warnings."""
        with self._store.transaction():
            self._warnings = []
            yield self._warnings

    def warn(self, message: str) -> None:
        """Add a warning to the call that is running."""
        if message not in self._warnings:
            self._warnings.append(message)

    def earlier_call(self, key: str) -> Call | None:
        """The same call, if it was done before."""
        text = self._store.call(key)
        return Call.model_validate_json(text) if text else None

    def record_call(self, key: str, call: Call) -> None:
        """Add a call to the record."""
        self._store.add_call(key, call.model_dump_json())

    def calls(self) -> list[Call]:
        """The record: every call, in order."""
        return [Call.model_validate_json(text) for text in self._store.calls()]


def open_as(record: VideoRecord) -> OpenedVideo:
    """Open the video of a record.

    Raises:
        VideoError: It is gone or has changed.
    """
    source = Path(record.source)
    try:
        video = open_video(source, start=record.start, end=record.end, every=record.every)
    except InputError as error:
        raise VideoError(f"The video of that run is gone or has changed: {error}") from error
    if fingerprint(video.parts) != record.fingerprint:
        raise VideoError(f"{source} has changed since that run.")
    return video


def call_key(**what: Any) -> str:
    """The key of a call: equal where nothing that could change its result differs."""
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _shape(mask: object) -> str:
    if not isinstance(mask, ObjectMask):
        return f"a {type(mask).__name__}"
    return f"a mask of {mask.mask.shape} for object {mask.obj_id} on frame {mask.frame_idx}"


def _describe(video: OpenedVideo) -> dict[str, Any]:
    return VideoRecord(
        source=str(video.source.resolve()),
        fingerprint=fingerprint(video.parts),
        n_frames=video.n_frames,
        height=video.height,
        width=video.width,
        fps=round(video.fps, 6),
        start=video.picked.start,
        end=video.picked.stop,
        every=video.picked.step,
    ).model_dump()


def _plain(item: Detections | BoxTrack) -> dict[str, Any]:
    fields = asdict(item)
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in fields.items()}


def _difference(known: Any, wanted: Any, path: str = "") -> str:
    """The first place where two documents differ, in words."""
    if isinstance(known, dict) and isinstance(wanted, dict):
        for key in sorted({*known, *wanted}):
            if known.get(key) != wanted.get(key):
                return _difference(known.get(key), wanted.get(key), f"{path}.{key}".strip("."))
    return f"{path}: then {known!r}, now {wanted!r}"
