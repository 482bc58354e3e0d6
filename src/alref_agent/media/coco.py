"""Masks of a whole video as one COCO JSON file, written while they come; and read again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from alref_agent.errors import VideoError
from alref_agent.media.atomic import PendingFile, write_errors
from alref_agent.media.masks import Rle, decode_rle
from alref_agent.types import Mask


class CocoWriter:
    """One annotation an object and frame, as CocoVID and YouTube-VIS have them.

    Memory does not grow with the number of annotations. A context manager: the file appears when
    the block is left, and does not when it is left by an exception. `pycocotools.coco.COCO` loads
    it; beyond COCO's keys there are `videos`, `video_id`, `frame_id` (the `frame_idx`) and
    `instance_id` (the `obj_id`).
    """

    def __init__(
        self,
        path: Path,
        *,
        video_name: str,
        height: int,
        width: int,
        frame_names: Iterable[str],
        names: Mapping[int, str],
        info: Mapping[str, object] | None = None,
    ) -> None:
        """Prepare; the file is opened on entering the block.

        Args:
            path: The file to appear.
            video_name: What `videos` calls the video.
            height: Rows of every frame.
            width: Columns of every frame.
            frame_names: Of all frames in order; `file_name` is the name with `.jpg`.
            names: `obj_id` to name, its expression or label. Objects of one name share a category.
            info: Further entries of `info`.
        """
        self._path = path
        self._size = height, width
        self._video = {"id": 1, "name": video_name, "height": height, "width": width}
        self._frame_names = list(frame_names)
        self._names = dict(names)
        self._info = {"description": f"masks of {video_name} by alref-agent", **(info or {})}
        labels = list(dict.fromkeys(self._names[obj_id] for obj_id in sorted(self._names)))
        self._categories = {label: number for number, label in enumerate(labels, 1)}
        self._pending: PendingFile | None = None
        self._file: IO[str] | None = None
        self._count = 0

    def __enter__(self) -> Self:
        self._pending = PendingFile(self._path)
        try:
            with write_errors(self._path):
                self._file = self._pending.beside.open("w", encoding="utf-8")
                self._write_head(self._file)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def write(self, obj_id: int, frame_idx: int, rle: Rle) -> None:
        """Add the mask of one object on one frame; an empty one leaves no annotation.

        Objects and frames may come in any order, each pair once.
        """
        if self._file is None:
            raise ValueError("write() outside the with block")
        if obj_id not in self._names:
            raise ValueError(f"object {obj_id} has no name; known: {sorted(self._names)}")
        if not 0 <= frame_idx < len(self._frame_names):
            raise IndexError(f"frame {frame_idx} of a video with {len(self._frame_names)} frames")
        if (rle.height, rle.width) != self._size:
            raise ValueError(f"mask of {self._size} expected, got {(rle.height, rle.width)}")
        area = rle.area
        if not area:
            return
        self._count += 1
        annotation = {
            "id": self._count,
            "image_id": frame_idx + 1,
            "video_id": 1,
            "category_id": self._categories[self._names[obj_id]],
            "instance_id": obj_id,
            "segmentation": {"size": [rle.height, rle.width], "counts": rle.counts.decode("ascii")},
            "area": area,
            "bbox": list(rle.box),
            "iscrowd": 0,
        }
        with write_errors(self._path):
            self._file.write((",\n" if self._count > 1 else "\n") + _json(annotation))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        file, pending = self._file, self._pending
        self._file = self._pending = None
        try:
            if error is None and file is not None and pending is not None:
                with write_errors(self._path), file:
                    file.write("\n]}\n")
                pending.keep()
        finally:
            # Closing writes what is buffered, and fails again where writing has failed.
            with suppress(OSError):
                if file is not None:
                    file.close()
            if pending is not None:
                pending.drop()

    def _write_head(self, file: IO[str]) -> None:
        height, width = self._size
        categories = [{"id": n, "name": label} for label, n in self._categories.items()]
        file.write(f'{{"info": {_json(self._info)},\n"videos": [{_json(self._video)}],\n')
        file.write(f'"categories": {_json(categories)},\n"images": [')
        for frame_idx, name in enumerate(self._frame_names):
            image = {
                "id": frame_idx + 1,
                "video_id": 1,
                "frame_id": frame_idx,
                "file_name": f"{name}.jpg",
                "height": height,
                "width": width,
            }
            file.write((",\n" if frame_idx else "\n") + _json(image))
        file.write('\n],\n"annotations": [')


def read_masks(path: Path) -> Iterator[dict[int, Mask]]:
    """What a `CocoWriter` wrote: for every frame in order, `obj_id` -> `(H, W)` bool.

    Raises:
        VideoError: The file is missing or broken.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        on_frame: dict[int, dict[int, Rle]] = {i["frame_id"]: {} for i in content["images"]}
        for annotation in content["annotations"]:
            packed = annotation["segmentation"]
            height, width = packed["size"]
            rle = Rle(height, width, packed["counts"].encode("ascii"))
            on_frame[annotation["image_id"] - 1][annotation["instance_id"]] = rle
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise VideoError(f"{path} cannot be read as masks: {error}.") from error
    for frame_idx in sorted(on_frame):
        yield {obj_id: decode_rle(rle) for obj_id, rle in sorted(on_frame[frame_idx].items())}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
