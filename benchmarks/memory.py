"""Peak memory of whole runs over 100 and over 1,000 frames: it must not grow with the length.

    python benchmarks/memory.py [--short 100] [--long 1000]

Each run is a process of its own with masks and overlay written; its peak is what the system counted
(resident set). The videos are made by playing the example clip to and fro.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import av

CLIP = Path(__file__).parents[1] / "examples" / "clip" / "clip.mp4"
LIMIT = 1.15

RUN = """
import resource, sys
from alref_agent import segment
segment(sys.argv[1], text="the white cow", profile="offline", out=sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def make_video(path: Path, n_frames: int) -> None:
    """Write `n_frames` frames of the clip, forward and backward in turn, as H.264."""
    with av.open(str(CLIP)) as container:
        frames = list(container.decode(video=0))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.height, stream.width = frames[0].height, frames[0].width
        stream.pix_fmt = "yuv420p"
        for i, frame in enumerate(islice(cycle(frames + frames[-2:0:-1]), n_frames)):
            frame.pts, frame.time_base = i, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def peak(folder: Path, n_frames: int) -> float:
    """Peak memory in MiB of a run over so many frames."""
    video = folder / f"{n_frames}.mp4"
    make_video(video, n_frames)
    words = [sys.executable, "-c", RUN, str(video), str(folder / f"run-{n_frames}")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return int(done.stdout.splitlines()[-1]) / 1024


def main() -> None:
    """Measure and print; status 1 where the limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", type=int, default=100)
    parser.add_argument("--long", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        short = peak(Path(folder), options.short)
        print(f"{options.short} frames: {short:.0f} MiB", flush=True)
        long = peak(Path(folder), options.long)
    print(f"{options.long} frames: {long:.0f} MiB")
    print(f"ratio: {long / short:.3f} (limit {LIMIT})")
    sys.exit(long / short > LIMIT)


if __name__ == "__main__":
    main()
