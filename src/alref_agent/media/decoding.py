"""Decoded frames of a file by their number, every group decoded by itself.

Because a group is always decoded from its own keyframe with an empty decoder, a frame has the same
pixels whether it was reached by reading on or by random access, in damaged files too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from alref_agent.media.container import open_input, video_stream
from alref_agent.media.packets import Group, PacketTable, packets_of

_READ_ON = 500
"""Packets up to which reading on is cheaper than seeking."""
_PATIENCE = 8
"""Frames that may wait for an earlier one."""


class Decoder:
    """One open file; frames come group by group. A context manager, for one thread."""

    def __init__(self, source: Path, table: PacketTable) -> None:
        self._source = source
        self._table = table
        self._recent: deque[tuple[int, Packet[VideoStream]]] = deque(maxlen=64)
        self._hurt = False
        self._index_before = -1
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._container.close()

    def good_frames(self, number: int) -> Iterator[tuple[int, VideoFrame]]:
        """`(index, frame)` of group `number`, rising; frames that do not decode are left out.

        A frame that the decoder calls corrupt, because a part of it had to be made up, counts as
        one that does not decode.
        """
        group = self._table.groups[number]
        frames = _rising(self._decode(group, group), group.first)
        first = next(frames, None)
        late = first is None or first[0] > group.first
        if late and number and not self._hurt:
            # No damage, and yet the keyframe is not shown: a stream that refreshes bit by bit,
            # whose picture is whole only after a run-up.
            run_up = self._table.groups[number - 1]
            frames = _rising(self._decode(run_up, group), group.first)
        elif first is not None:
            yield first
        yield from frames

    def _decode(self, start: Group, group: Group) -> Iterator[tuple[int, VideoFrame]]:
        """The good frames of `group`, decoded from `start` on, about in order."""
        self._stream.codec_context.flush_buffers()
        self._hurt = False
        self._index_before = start.first - 1
        count = 0
        for packet in self._packets(start.start_packet, group.stop_packet):
            for frame in self._output(packet):
                index = self._index(frame, count)
                count += 1
                if frame.is_corrupt:
                    self._hurt = True
                elif group.first <= index < group.stop:
                    yield index, frame
        # What the decoder still holds to bring it in order.
        for frame in self._output(None):
            index = self._index(frame, count)
            count += 1
            if group.first <= index < group.stop and not frame.is_corrupt:
                yield index, frame

    def _output(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        try:
            return self._stream.codec_context.decode(packet)
        except av.error.FFmpegError:
            self._hurt = True
            return []

    def _index(self, frame: VideoFrame, count: int) -> int:
        pts = self._table.pts
        if pts is None:
            return count
        if frame.pts is None:
            return -1
        index = int(pts.searchsorted(frame.pts))
        # MPEG program streams give their last two frames the same stamp.
        following = self._index_before + 1
        if index < following < len(pts) and pts[following] == frame.pts:
            index = following
        if index == len(pts) or pts[index] != frame.pts:
            return -1
        self._index_before = index
        return index

    def _packets(self, start: int, stop: int) -> Iterator[Packet[VideoStream]]:
        """The packets at positions `[start, stop)`, wherever the file stands now."""
        held = bool(self._recent) and self._recent[0][0] <= start < self._next
        if not (held or self._next <= start <= self._next + _READ_ON):
            self._seek(start)
        for position, packet in list(self._recent):
            if start <= position < stop:
                yield packet
        while self._next < stop:
            read = self._read()
            if read is None:
                return
            if read[0] >= start:
                yield read[1]

    def _read(self) -> tuple[int, Packet[VideoStream]] | None:
        packet = next(self._demux, None)
        if packet is None:
            return None
        read = self._next, packet
        self._recent.append(read)
        self._next += 1
        return read

    def _seek(self, start: int) -> None:
        """Stand before the packet at `start`, a keyframe, or earlier."""
        groups = self._table.groups
        number = next((n for n, g in enumerate(groups) if g.start_packet == start), 0)
        # Some containers land behind the keyframe asked for; then ask for one further back.
        for back in (0, 1, 4):
            if number - back <= 0:
                break
            if self._seek_to(groups[number].key_pts, groups[number - back].key_pts, start):
                return
        self._container.close()
        self._open()

    def _seek_to(self, wanted: int, ask: int, position: int) -> bool:
        self._recent.clear()
        try:
            self._container.seek(ask, stream=self._stream)
        except (av.error.FFmpegError, OSError):
            return False
        self._demux = packets_of(self._container, self._stream)
        for packet in self._demux:
            if packet.is_keyframe and packet.pts == wanted:
                self._next = position + 1
                self._recent.append((position, packet))
                return True
            if packet.is_keyframe and packet.pts is not None and packet.pts > wanted:
                return False
        return False

    def _open(self) -> None:
        self._container = open_input(self._source)
        self._stream = video_stream(self._container, self._source)
        self._demux = packets_of(self._container, self._stream)
        self._recent.clear()
        self._next = 0


def _rising(
    decoded: Iterator[tuple[int, VideoFrame]], first: int
) -> Iterator[tuple[int, VideoFrame]]:
    """Strictly rising indices from `first` on.

    After damage, and where a file does not say how far frames are reordered, decoders give some too
    early: a frame that is ahead of its turn waits a while for those before it.
    """
    waiting: list[tuple[int, int, VideoFrame]] = []
    following = first
    for order, (index, frame) in enumerate(decoded):
        if index < following:
            continue
        heappush(waiting, (index, order, frame))
        while waiting and (waiting[0][0] <= following or len(waiting) > _PATIENCE):
            index, _, frame = heappop(waiting)
            if index >= following:
                yield index, frame
                following = index + 1
    while waiting:
        index, _, frame = heappop(waiting)
        if index >= following:
            yield index, frame
            following = index + 1
