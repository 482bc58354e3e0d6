"""What the two sweeps need of a segmenter that was learned: it encodes, and it follows an object.

SAM 2 and its kin: the image encoder sees a frame once, for all objects; a memory an object carries
it from frame to frame (Ravi et al., "SAM 2: Segment Anything in Images and Videos", 2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from alref_agent.tools.segmentation.cues import Course, Cue
from alref_agent.types import Frame, Mask

Features: TypeAlias = Any
"""What the encoder makes of a frame; only the network itself looks into it."""


@dataclass(frozen=True, eq=False)
class Outlook:
    """What the network says of one object on one frame."""

    logits: Any
    """`(h, w)` tensor at the network's own size: above 0 where the object is."""
    score: float
    """How sure it is that the object is on the frame, in [0, 1]."""


class Follower(Protocol):
    """The memory of one object. Its size does not depend on the length of the video."""

    def condition(self, cue: Cue, features: Features) -> None:
        """Take a prompt; all prompts come before the first frame is followed."""
        ...

    def recall(self, frame_idx: int) -> Outlook:
        """What was made of the prompt on a frame."""
        ...

    def follow(self, frame_idx: int, features: Features, *, backward: bool) -> Outlook:
        """Carry the object to the next frame of the sweep.

        Forward comes first, from the course's `first` to the end of the video; then backward, from
        before its `last` to frame 0.
        """
        ...


class Network(Protocol):
    """A learned segmenter."""

    def encode(self, frame: Frame) -> Features:
        """What its image encoder makes of a frame; most of the work."""
        ...

    def n_bytes(self, features: Features) -> int:
        """How much memory they take."""
        ...

    def put_away(self, features: Features) -> Features:
        """The same, where they wait until they are needed again."""
        ...

    def at_hand(self, features: Features) -> Features:
        """The same, where they are worked with."""
        ...

    def follower(self, course: Course, n_frames: int, size: tuple[int, int]) -> Follower:
        """A new memory.

        Args:
            course: The object's.
            n_frames: Of the whole video.
            size: `(H, W)` of the video.
        """
        ...

    def mask(self, outlook: Outlook, size: tuple[int, int]) -> Mask:
        """The object's mask at `size`, `(H, W)`."""
        ...
