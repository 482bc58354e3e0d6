"""The interface of a segmenter: a video and prompts in, masks out while they are made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, Self

from alref_agent.config import Config
from alref_agent.types import ObjectMask, Prompt, Video


class Segmenter(Protocol):
    """A backend of `segment_video`, registered in the group `alref_agent.segmenters`."""

    version: str
    """Of the model and its code, for the record."""

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Load the model; reads `config.segmenter`, `config.device`, `config.seed` and so on.

        Raises:
            MissingPackageError: A package that it needs is not installed.
            ConfigError: A setting that it cannot use.
        """
        ...

    def segment(self, video: Video, prompts: Sequence[Prompt]) -> Iterator[ObjectMask]:
        """Carry every object's prompts through the whole video.

        Prompts may be of several kinds, of several objects, on any frames, several an object. One
        of an object's prompts may be marked as the `start`: a segmenter that propagates from one
        frame begins there; one that weighs all prompts at once need not look at it.
        Each pair of object and frame comes at most once, in any order of frames; a pair that does
        not come is an empty mask. Masks of two objects may overlap; a palette PNG, which cannot,
        shows the object of the higher id there. Memory does not grow with the length of the video.
        """
        ...
