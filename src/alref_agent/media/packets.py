"""What a video file holds, learned from its packets without decoding one of them.

A packet is one compressed frame. Packets come in the order in which they are decoded; frames are
numbered in the order in which they are shown. A *group* starts at a keyframe, is decoded from
there by itself and shows the frames up to the next keyframe. The leading pictures of the next
group (shown before its keyframe, stored after it) belong to this one, so a group may need a few
packets that lie behind the next keyframe.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from alref_agent.errors import VideoError
from alref_agent.media.container import open_input, video_stream

_NO_PTS = -(2**63)
_LEAD = 64
"""More packets than any codec stores between a keyframe and a picture shown before it."""


@dataclass(frozen=True)
class Group:
    """Frames that are decoded together."""

    first: int
    """The first frame that it shows."""
    stop: int
    """One past the last frame that it shows."""
    start_packet: int
    """Position of its keyframe among the packets."""
    stop_packet: int
    """One past the last packet that it needs."""
    key_pts: int
    """Time stamp of the keyframe, to seek to."""


@dataclass(frozen=True, eq=False)
class PacketTable:
    """The frames of a file: when each is shown and what has to be decoded for it."""

    times: npt.NDArray[np.float64]
    """`(N,)` seconds from the first frame shown."""
    duration: float
    """Seconds from the first frame shown to the end of the last."""
    groups: tuple[Group, ...]
    pts: npt.NDArray[np.int64] | None
    """`(N,)` time stamps, rising; None where the file has none that can be trusted, and frames are
    told apart only by counting from the first."""
    warnings: tuple[str, ...]

    @property
    def n_frames(self) -> int:
        return len(self.times)


def packets_of(
    container: InputContainer, stream: VideoStream, broken: list[str] | None = None
) -> Iterator[Packet[VideoStream]]:
    """The packets that hold something, in decoding order.

    Where the file cannot be read on it ends; the reason is then added to `broken`.
    """
    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except (av.error.FFmpegError, OSError) as error:
        if broken is not None:
            broken.append(str(error.strerror))


def scan(source: Path) -> PacketTable:
    """Read through the file once.

    Raises:
        VideoError: It cannot be opened, or has no video frames.
    """
    pts, dts = array("q"), array("q")
    shown, key = bytearray(), bytearray()
    end = 0
    broken: list[str] = []
    with open_input(source) as container:
        stream = video_stream(container, source)
        context = stream.codec_context
        announced = stream.frames
        rate = float(stream.average_rate or stream.guessed_rate or 25)
        tick = float(stream.time_base) if stream.time_base else 1 / rate
        is_vp8 = context.name in ("vp8", "libvpx")
        for packet in packets_of(container, stream, broken):
            # VP8 stores reference frames that are never shown; the flag is bit 4 of its header.
            hidden = is_vp8 and not memoryview(packet)[0] & 0x10
            pts.append(_NO_PTS if packet.pts is None else packet.pts)
            dts.append(_NO_PTS if packet.dts is None else packet.dts)
            shown.append(not (packet.is_discard or hidden))
            key.append(packet.is_keyframe)
            if packet.pts is not None and not packet.is_discard:
                end = max(end, packet.pts + (packet.duration or 0))
        length = _length(container, stream)
        # AVI counts frames as they are stored; with B-frames its time stamps are in that order.
        trusted = not ("avi" in container.format.name and context.name in ("h264", "hevc"))
    if not pts:
        raise VideoError(f"{source} has a video track without a single frame; record it again.")
    held = max((p for p in pts if p != _NO_PTS), default=0) * tick
    warnings = _cut_short(len(pts), announced, held, length, broken)
    stamps = np.frombuffer(pts, np.int64)
    visible = np.frombuffer(shown, np.bool_)
    if not trusted or (stamps == _NO_PTS).any():
        return _by_count(source, visible, rate, warnings)
    keys = np.frombuffer(key, np.bool_)
    return _by_stamp(source, stamps, visible, keys, tick, end, rate, warnings)


def first_shown(container: InputContainer, source: Path) -> float:
    """Seconds on the file's own clock at which its first frame is shown, as in `scan`.

    Reads only the first packets. Nothing else may have been read from `container`.
    """
    stream = video_stream(container, source)
    stamps: list[int] = []
    key: int | None = None
    for packet in islice(packets_of(container, stream), 4 * _LEAD):
        if packet.pts is None:
            break
        if key is None and packet.is_keyframe:
            key = packet.pts
        if not packet.is_discard:
            stamps.append(packet.pts)
        if key is not None and sum(s >= key for s in stamps) > _LEAD:
            break
    shown = [s for s in stamps if key is None or s >= key]
    return float(min(shown) * stream.time_base) if shown and stream.time_base else 0.0


def _length(container: InputContainer, stream: VideoStream) -> float:
    """Seconds of video that the file announces; 0 where it does not say."""
    tag = stream.metadata.get("DURATION", "")
    if match := re.match(r"(\d+):(\d+):(\d+(?:\.\d+)?)", tag):
        return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    # A container's length is that of its longest stream: sound may well go on after the pictures.
    if len(container.streams) > 1 or not container.duration:
        return 0.0
    return container.duration / 1e6


def _cut_short(
    n: int, announced: int, held: float, length: float, broken: list[str]
) -> tuple[str, ...]:
    if n < announced:
        return (f"the file is cut short: it announces {announced} frames and holds {n}",)
    if broken:
        return (f"the file cannot be read beyond frame {n - 1} ({broken[0]})",)
    if length - held > max(1.0, 0.05 * length):
        return (f"the file is cut short: it announces {length:.1f} s and holds {held:.1f} s",)
    return ()


def _by_count(
    source: Path, visible: npt.NDArray[np.bool_], rate: float, warnings: tuple[str, ...]
) -> PacketTable:
    n = int(visible.sum())
    if not n:
        raise VideoError(f"{source}: not one of its frames is meant to be shown.")
    whole = Group(first=0, stop=n, start_packet=0, stop_packet=len(visible), key_pts=0)
    return PacketTable(np.arange(n) / rate, n / rate, (whole,), None, warnings)


def _by_stamp(
    source: Path,
    pts: npt.NDArray[np.int64],
    visible: npt.NDArray[np.bool_],
    key: npt.NDArray[np.bool_],
    tick: float,
    end: int,
    rate: float,
    warnings: tuple[str, ...],
) -> PacketTable:
    keys = np.flatnonzero(key)
    if not len(keys):
        keys = np.array([0])
    # A recording that starts within a group: what precedes its first keyframe cannot be decoded.
    position = np.flatnonzero(visible & (pts >= pts[keys[0]]))
    if not len(position):
        raise VideoError(f"{source}: not one of its frames is meant to be shown.")
    # Of two with one stamp the later stored is a picture that is shown before the other.
    position = position[np.lexsort((-position, pts[position]))]
    stamps = pts[position]
    shown_at = np.full(len(pts), -1)
    shown_at[position] = np.arange(len(position))
    keys = keys[np.argsort(pts[keys], kind="stable")]
    first = np.where(shown_at[keys] >= 0, shown_at[keys], np.searchsorted(stamps, pts[keys]))
    bounds = np.append(first, len(stamps))
    groups = tuple(
        Group(
            first=int(bounds[g]),
            stop=int(bounds[g + 1]),
            start_packet=int(keys[g]),
            stop_packet=int(position[bounds[g] : bounds[g + 1]].max()) + 1,
            key_pts=int(pts[keys[g]]),
        )
        for g in range(len(keys))
        if bounds[g] < bounds[g + 1]
    )
    last = (end - int(stamps[-1])) * tick
    duration = float(stamps[-1] - stamps[0]) * tick + (last if last > 0 else 1 / rate)
    times = _spread((stamps - stamps[0]) * tick, duration)
    return PacketTable(times, duration, groups, stamps, warnings)


def _spread(times: npt.NDArray[np.float64], end: float) -> npt.NDArray[np.float64]:
    """Frames that claim the same moment share the time up to the next one."""
    distinct, first, count = np.unique(times, return_index=True, return_counts=True)
    if len(distinct) == len(times):
        return times
    share = np.diff(distinct, append=end) / count
    rank = np.arange(len(times)) - np.repeat(first, count)
    spread: npt.NDArray[np.float64] = times + rank * np.repeat(share, count)
    return spread
