"""Features of frames that will be needed once more, as far as a budget of memory allows."""

from __future__ import annotations

from alref_agent.tools.segmentation.network import Features, Network

MOST = 64
"""Frames: of small pictures the budget would hold a whole film, and memory would grow with it."""


class FeatureStore:
    """Keeps what was encoded; what does not fit is encoded again when it is needed."""

    def __init__(self, network: Network, budget: int) -> None:
        """Begin empty.

        Args:
            network: Whose features they are.
            budget: In bytes.
        """
        self._network = network
        self._free = budget
        self._kept: dict[int, Features] = {}

    def get(self, frame_idx: int) -> Features | None:
        """The features of a frame, or None."""
        kept = self._kept.get(frame_idx)
        return None if kept is None else self._network.at_hand(kept)

    def keep(self, frame_idx: int, features: Features) -> None:
        """Keep them if there is room; those that are there stay."""
        size = self._network.n_bytes(features)
        if frame_idx not in self._kept and size <= self._free and len(self._kept) < MOST:
            self._kept[frame_idx] = self._network.put_away(features)
            self._free -= size

    def drop(self, frame_idx: int) -> None:
        """Let go of a frame's."""
        features = self._kept.pop(frame_idx, None)
        if features is not None:
            self._free += self._network.n_bytes(features)
