"""One encoding, many objects: two sweeps over a video carry all objects at once.

Each frame is encoded once a sweep, whatever the number of objects. Prompted frames come first, as
objects remember all their prompts, later ones too; then the forward sweep takes up each object at
its own first start, and the backward sweep at its last. What one sweep, or a prompt, has encoded
and the next will need is kept as far as the budget allows; with room for the prompted frames, no
frame is encoded more than once a sweep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from alref_agent.errors import ModelError
from alref_agent.sections import SegmenterConfig
from alref_agent.tools.segmentation.checks import check_prompts
from alref_agent.tools.segmentation.cues import Course, courses
from alref_agent.tools.segmentation.features import FeatureStore
from alref_agent.tools.segmentation.network import Features, Follower, Network, Outlook
from alref_agent.types import Frame, ObjectMask, Prompt, Video


@dataclass(frozen=True, eq=False)
class Sight:
    """One object on one frame."""

    obj_id: int
    frame_idx: int
    outlook: Outlook


def object_masks(
    network: Network,
    video: Video,
    prompts: Sequence[Prompt],
    settings: SegmenterConfig,
    called: str,
) -> Iterator[ObjectMask]:
    """Carry every object's prompts through the whole video; what `Segmenter.segment` shall do.

    Objects do not know one another: their masks may overlap, and none changes with what else is
    asked for.

    Args:
        network: What sees.
        video: Read twice.
        prompts: Of all objects.
        settings: `max_prompts` and `feature_memory` are read.
        called: What messages call the model.

    Raises:
        ConfigError: A prompt that does not fit the video.
        ModelError: The model computes what are no numbers.
    """
    check_prompts(video, prompts)
    ways = courses(prompts, settings.max_prompts)
    size = (video.height, video.width)
    for sight in sweep(network, video, ways, settings.feature_memory * 2**20):
        outlook = sight.outlook
        if not isfinite(outlook.score) or not isfinite(float(outlook.logits.sum())):
            raise ModelError(
                f"{called} computes what are no numbers: --set dtype=float32; if that is set, its "
                "weights are broken: get the model again."
            )
        mask = network.mask(outlook, size)
        yield ObjectMask(sight.obj_id, sight.frame_idx, mask, outlook.score)


def sweep(
    network: Network, video: Video, courses: Sequence[Course], budget: int
) -> Iterator[Sight]:
    """Carry all objects through the video; each pair of object and frame comes once.

    Args:
        network: What sees.
        video: Read forward, then backward; prompted frames by themselves before.
        courses: One an object.
        budget: Bytes for features that will be needed again.
    """
    if not courses:
        return
    size = (video.height, video.width)
    followers = {c.obj_id: network.follower(c, video.n_frames, size) for c in courses}
    encoder = _Encoder(network, courses, budget)
    prompted = sorted({t for course in courses for t in course.cues})
    for frame_idx, frame in video.frames_at(prompted):
        features = encoder.of(frame_idx, frame, [False, True])
        for course in courses:
            if frame_idx in course.cues:
                followers[course.obj_id].condition(course.cues[frame_idx], features)
    first = min(course.first for course in courses)
    last = max(course.last for course in courses)
    for frame_idx, frame in video.frames(first):
        yield from _look(encoder, courses, followers, frame_idx, frame, backward=False)
    if last > 0:
        for frame_idx, frame in video.frames(last - 1, None, -1):
            yield from _look(encoder, courses, followers, frame_idx, frame, backward=True)


def _look(
    encoder: _Encoder,
    courses: Sequence[Course],
    followers: Mapping[int, Follower],
    frame_idx: int,
    frame: Frame,
    *,
    backward: bool,
) -> Iterator[Sight]:
    due = {c.obj_id for c in courses if c.computes(frame_idx, backward=backward)}
    features = None
    if due:
        features = encoder.of(frame_idx, frame, [] if backward else [True])
    for course in courses:
        follower, answers = followers[course.obj_id], course.answers(frame_idx, backward=backward)
        if course.obj_id in due:
            outlook = follower.follow(frame_idx, features, backward=backward)
        elif answers:
            outlook = follower.recall(frame_idx)
        if answers:
            yield Sight(course.obj_id, frame_idx, outlook)


class _Encoder:
    """Encodes a frame, or takes what is kept of it."""

    def __init__(self, network: Network, courses: Sequence[Course], budget: int) -> None:
        self._network = network
        self._courses = courses
        self._store = FeatureStore(network, budget)

    def of(self, frame_idx: int, frame: Frame, later: Sequence[bool]) -> Features:
        """The features of a frame.

        Args:
            frame_idx: The frame's.
            frame: Its picture.
            later: The sweeps that are still to come: False for forward, True for backward.
        """
        features = self._store.get(frame_idx)
        if features is None:
            features = self._network.encode(frame)
        if any(c.computes(frame_idx, backward=back) for c in self._courses for back in later):
            self._store.keep(frame_idx, features)
        else:
            self._store.drop(frame_idx)
        return features
