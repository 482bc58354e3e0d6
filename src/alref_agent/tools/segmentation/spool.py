"""Fields of many frames, kept in a temporary file so that memory does not grow with the video."""

from __future__ import annotations

import tempfile
import zlib
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt


class Spool:
    """Arrays of uint8 by key, compressed, in a temporary file that vanishes when closed."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="alref-flow-")  # noqa: SIM115
        self._places: dict[tuple[int, int], tuple[int, int, tuple[int, ...]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def put(self, key: tuple[int, int], array: npt.NDArray[np.uint8]) -> None:
        """Keep an array under a key: object and frame."""
        data = zlib.compress(np.ascontiguousarray(array), 1)
        self._file.seek(0, 2)
        self._places[key] = (self._file.tell(), len(data), array.shape)
        self._file.write(data)

    def get(self, key: tuple[int, int]) -> npt.NDArray[np.uint8] | None:
        """The array of a key, or None."""
        if key not in self._places:
            return None
        offset, size, shape = self._places[key]
        self._file.seek(offset)
        return np.frombuffer(zlib.decompress(self._file.read(size)), np.uint8).reshape(shape)
