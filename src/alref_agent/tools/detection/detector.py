"""The interface of a detector: words and pictures in, scored boxes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

from alref_agent.config import Config
from alref_agent.types import Detections, Frame, Grounding


class Detector(Protocol):
    """A backend of `detect_objects`, registered in the group `alref_agent.detectors`."""

    version: str
    """Of the model and its code, for the record."""

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
        frame_idx: int,
        frame: Frame,
        expressions: Sequence[str],
        box_threshold: float | None = None,
    ) -> Sequence[Detections]:
        """The candidates on one frame, one `Detections` an expression, in order, best box first.

        All expressions come at once, so that what they share of the frame is computed once. An
        expression without targets gets empty detections. Boxes lie inside the frame. A given
        `box_threshold` replaces the one of the settings.
        """
        ...
