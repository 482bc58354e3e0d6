"""Features of frames that will be needed once more, as far as a budget of memory allows."""

from __future__ import annotations

from collections.abc import Callable

from alref_agent.tools.segmentation.network import Features


class FeatureStore:
    """Keeps what was encoded; what does not fit is encoded again when it is needed."""

    def __init__(self, n_bytes: Callable[[Features], int], budget: int) -> None:
        """Begin empty.

        Args:
            n_bytes: How much memory features take.
            budget: In bytes.
        """
        self._n_bytes = n_bytes
        self._free = budget
        self._kept: dict[int, Features] = {}

    def get(self, frame_idx: int) -> Features | None:
        """The features of a frame, or None."""
        return self._kept.get(frame_idx)

    def keep(self, frame_idx: int, features: Features) -> None:
        """Keep them if there is room; those that are there stay."""
        size = self._n_bytes(features)
        if frame_idx not in self._kept and size <= self._free:
            self._kept[frame_idx] = features
            self._free -= size

    def drop(self, frame_idx: int) -> None:
        """Let go of a frame's."""
        features = self._kept.pop(frame_idx, None)
        if features is not None:
            self._free += self._n_bytes(features)
