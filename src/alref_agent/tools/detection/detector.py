"""The interface of a detector: words and pictures in, scored boxes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, Self

from alref_agent.config import Config
from alref_agent.types import Detections, Frame, Grounding


class Detector(Protocol):
    """A backend of `detect_objects`, registered in the group `alref_agent.detectors`."""

    version: str
    """Of the model and its code, for the record."""
    batch_size: int
    """How many frames it takes at once; the tool gives it no more."""

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Load the model; reads `config.detector`, `config.device` and so on.

        Raises:
            MissingPackageError: A package that it needs is not installed.
            ConfigError: A setting that it cannot use.
        """
        ...

    def ground(self, expression: str) -> Grounding:
        """What the expression is taken for; deterministic, and without looking at the video."""
        ...

    def detect(
        self,
        frames: Mapping[int, Frame],
        expressions: Sequence[str],
        box_threshold: float | None = None,
    ) -> Sequence[Sequence[Detections]]:
        """The candidates on some frames, best box first.

        All expressions come at once, so that what they share of a frame is computed once, and so do
        several frames, which a GPU takes together. What is found on a frame may not depend on
        which others come with it.

        Args:
            frames: `frame_idx` -> frame, in order of time, of one size; at most `batch_size`.
            expressions: What to look for.
            box_threshold: The least score of a box; None: as in the settings.

        Returns:
            One sequence a frame, in the order of `frames`, and in it one `Detections` an
            expression, in order: empty for one without targets. Boxes lie inside the frame.
        """
        ...
