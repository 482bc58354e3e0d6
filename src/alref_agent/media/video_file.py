"""A video file: any frame, in any order, in constant memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path

from av.video.frame import VideoFrame

from alref_agent.errors import VideoError
from alref_agent.media.container import open_input, video_stream
from alref_agent.media.decoding import Decoder
from alref_agent.media.packets import scan
from alref_agent.media.pixels import to_rgb
from alref_agent.media.selection import frame_rate, indices, runs, select
from alref_agent.types import Frame

_HELD_BYTES = 128 * 2**20
"""What reverse reading may hold of decoded frames, …"""
_HELD_FRAMES = 32
"""… and how many at most: a group is decoded again for every so many frames of it."""


class VideoFile:
    """A file that FFmpeg reads, as a `types.Video`.

    Opening reads through the file once without decoding, so that frames are numbered and timed
    exactly, at a variable rate too, and decodes the first frame. Every call of `frame` and `frames`
    opens the file for itself and closes it: nothing is held between calls, and threads may share
    the object. Colours follow the file's tags, alpha is put on black, turned video is turned
    upright; non-square pixels are left as stored and high dynamic range is not tone-mapped.

    A frame that does not decode is shown as the last good frame before it (at the beginning: the
    first good one after it), whichever way it is reached, and keeps its number and time. Such
    frames become known while frames are read: `warnings` is complete after a pass over the video.
    """

    def __init__(
        self,
        source: Path,
        *,
        start: int | str | None = None,
        end: int | str | None = None,
        every: int = 1,
    ) -> None:
        self.source = source
        """The file."""
        self._table = table = scan(source)
        self.parts = [source]
        """The files that it is read from."""
        self.picked: range = select(table.times, table.duration, start=start, end=end, every=every)
        """The frames of the source, by number, that are shown."""
        self._bad: set[int] = set()
        with open_input(source) as container:
            stream = video_stream(container, source)
            rate = float(stream.average_rate or stream.guessed_rate or 25)
            self.has_audio: bool = any(s.codec_context for s in container.streams.audio)
            """Whether there is a sound track that can be decoded."""
            sar = stream.sample_aspect_ratio
        first = self._first_good(range(len(table.groups)))
        if first is None:
            raise VideoError(
                f"{source}: none of its {table.n_frames} frames can be decoded; "
                "the file is damaged, copy or download it again."
            )
        self._raw_size = first.width, first.height
        self._quarter_turns = (first.rotation // 90) % 4
        turned = self._quarter_turns % 2 == 1
        self.width, self.height = self._raw_size[::-1] if turned else self._raw_size
        ratio = float(sar) if sar else 1.0
        self.pixel_aspect: float = 1 / ratio if turned else ratio
        """Width of a pixel over its height, as players stretch it; frames are not stretched."""
        times = [float(table.times[i]) for i in self.picked]
        self.fps: float = frame_rate(times, rate / every)

    @property
    def n_frames(self) -> int:
        """How many frames the range and stride leave; 1 is possible."""
        return len(self.picked)

    @property
    def warnings(self) -> list[str]:
        """What is wrong with the file, as far as it is known by now; a line each."""
        found = list(self._table.warnings)
        if bad := sorted(self._bad):
            one = len(bad) == 1
            frames, them, their = ("frame", "it", "its") if one else ("frames", "them", "their")
            found.append(
                f"{frames} {runs(bad)} could not be decoded; a good frame beside {them} is shown "
                f"in {their} place, and frames after {them} may show traces of the damage"
            )
        return found

    @property
    def span(self) -> tuple[float, float]:
        """Seconds of the source between the first frame's beginning and the last one's end."""
        behind = min(self.picked[-1] + self.picked.step, self.picked.stop)
        times = self._table.times
        end = float(times[behind]) if behind < len(times) else self._table.duration
        return self.time(0), end

    def time(self, frame_idx: int) -> float:
        """Seconds from the first frame of the source."""
        return float(self._table.times[self._source_frame(frame_idx)])

    def frame_name(self, frame_idx: int) -> str:
        """Number of the frame in the source, as `00005`."""
        return f"{self._source_frame(frame_idx):05d}"

    def frame(self, frame_idx: int) -> Frame:
        """One frame; decodes from the keyframe before it.

        Raises:
            IndexError: The video has no such frame.
            VideoError: The file is gone or no longer what it was.
        """
        source_idx = self._source_frame(frame_idx)
        for _, frame in self._rising([source_idx]):
            return self._rgb(frame)
        raise VideoError(f"{self.source}: frame {source_idx} is gone; the file was changed.")

    def frames_at(self, frame_idxs: Sequence[int]) -> Iterator[tuple[int, Frame]]:
        """See `types.Video`.

        Raises:
            IndexError: The video has no such frame.
            ValueError: They do not rise.
        """
        if any(a >= b for a, b in pairwise(frame_idxs)):
            raise ValueError(f"frames that rise expected, got {list(frame_idxs)}")
        numbers = iter(frame_idxs)
        for _, frame in self._rising([self._source_frame(i) for i in frame_idxs]):
            yield next(numbers), self._rgb(frame)

    def frames(
        self, start: int = 0, stop: int | None = None, step: int = 1
    ) -> Iterator[tuple[int, Frame]]:
        """See `types.Video`. Backwards, long groups are decoded several times to bound memory."""
        wanted = indices(self.n_frames, start, stop, step)
        read = self._rising if step > 0 else self._falling
        numbers = iter(wanted)
        for _, frame in read([self.picked[i] for i in wanted]):
            yield next(numbers), self._rgb(frame)

    def _source_frame(self, frame_idx: int) -> int:
        if not 0 <= frame_idx < len(self.picked):
            raise IndexError(f"frame {frame_idx} of a video with {len(self.picked)} frames")
        return self.picked[frame_idx]

    def _rgb(self, frame: VideoFrame) -> Frame:
        return to_rgb(frame, *self._raw_size, self._quarter_turns)

    def _by_group(self, wanted: Iterable[int]) -> Iterator[tuple[int, list[int]]]:
        """Source frames in the order given, cut where the group changes."""
        groups = self._table.groups
        number = 0

        def of(index: int) -> int:
            nonlocal number
            while index >= groups[number].stop:
                number += 1
            while index < groups[number].first:
                number -= 1
            return number

        number = 0
        for at, members in groupby(wanted, of):
            yield at, list(members)

    def _rising(self, wanted: list[int]) -> Iterator[tuple[int, VideoFrame]]:
        with Decoder(self.source, self._table) as decoder:
            before: tuple[int, VideoFrame] | None = None
            for number, members in self._by_group(wanted):
                picked = set(members)
                near = before[1] if before and before[0] == number - 1 else None
                last: VideoFrame | None = None
                for index, last in self._filled(decoder, number, near):
                    if index in picked:
                        yield index, last
                    if index == members[-1] and index + 1 < self._table.groups[number].stop:
                        last = None
                        break
                before = (number, last) if last is not None else None

    def _falling(self, wanted: list[int]) -> Iterator[tuple[int, VideoFrame]]:
        size = max(self._raw_size[0] * self._raw_size[1] * 2, 1)
        room = max(1, min(_HELD_FRAMES, _HELD_BYTES // size))
        with Decoder(self.source, self._table) as decoder:
            for number, members in self._by_group(wanted):
                for at in range(0, len(members), room):
                    chunk = members[at : at + room]
                    held: dict[int, VideoFrame] = {}
                    for index, frame in self._filled(decoder, number, None):
                        if chunk[-1] <= index <= chunk[0]:
                            held[index] = frame
                        if index >= chunk[0]:
                            break
                    for index in chunk:
                        yield index, held.pop(index)

    def _filled(
        self, decoder: Decoder, number: int, near: VideoFrame | None
    ) -> Iterator[tuple[int, VideoFrame]]:
        """Every frame of a group, the bad ones replaced.

        Args:
            decoder: What reads the file.
            number: Which group.
            near: What the last frame of the group before it shows, where that is at hand.
        """
        group = self._table.groups[number]
        last = near
        following = group.first
        for index, frame in decoder.good_frames(number):
            if index > following and last is None:
                last = self._stand_in(number) or frame
            for missing in range(following, index):
                assert last is not None
                yield self._note(missing), last
            yield index, frame
            last, following = frame, index + 1
        if following < group.stop:
            stand_in = last or self._stand_in(number)
            if stand_in is None:
                stand_in = self._first_good(range(number + 1, len(self._table.groups)))
            if stand_in is None:
                raise VideoError(f"{self.source} can no longer be decoded; the file was changed.")
            for missing in range(following, group.stop):
                yield self._note(missing), stand_in

    def _note(self, index: int) -> int:
        # Also between the frames of a stride: the damage may show in those behind it.
        if self.picked[0] <= index <= self.picked[-1]:
            self._bad.add(index)
        return index

    def _stand_in(self, number: int) -> VideoFrame | None:
        """The last good frame before a group."""
        with Decoder(self.source, self._table) as decoder:
            for earlier in range(number - 1, -1, -1):
                # A queue of one keeps the last.
                if last := deque(decoder.good_frames(earlier), maxlen=1):
                    return last[0][1]
        return None

    def _first_good(self, numbers: range) -> VideoFrame | None:
        with Decoder(self.source, self._table) as decoder:
            for number in numbers:
                for _, frame in decoder.good_frames(number):
                    return frame
        return None
