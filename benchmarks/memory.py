"""Peak memory of whole runs over a short and a long video: it must not grow with the length.

    python benchmarks/memory.py [--segmenter flow] [--short 100] [--long 1000]
    python benchmarks/memory.py --segmenter sam2 [--short 100] [--long 400] [--side 128]

Each run is a process of its own with masks and overlay written; its peak is what the system counted
(resident set). The videos are made by playing the example clip to and fro. `sam2` is hiera-tiny
with random weights, at a size at which it comes to an end.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import av

CLIP = Path(__file__).parents[1] / "examples" / "clip" / "clip.mp4"
LIMITS = {"flow": 1.15, "sam2": 1.1}
LONG = {"flow": 1000, "sam2": 400}

RUN = """
import json, resource, sys
from alref_agent import segment
settings = json.loads(sys.argv[3])
segment(sys.argv[1], text="the white cow", profile="offline", out=sys.argv[2], settings=settings)
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


def settings_of(segmenter: str, folder: Path, side: int) -> dict[str, str]:
    """What `--set` would be given; the model is saved in the folder."""
    if segmenter == "flow":
        return {}
    from published_shapes import random_sam2, sam2_config

    random_sam2(sam2_config("tiny", side)).save_pretrained(folder / "model")
    return {"segmenter.name": segmenter, "segmenter.model": str(folder / "model")}


def peak(folder: Path, n_frames: int, settings: dict[str, str]) -> float:
    """Peak memory in MiB of a run over so many frames."""
    video = folder / f"{n_frames}.mp4"
    make_video(video, n_frames)
    out = folder / f"run-{n_frames}"
    words = [sys.executable, "-c", RUN, str(video), str(out), json.dumps(settings)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout.splitlines()[-1]) / 1024


def main() -> None:
    """Measure and print; status 1 where the limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--segmenter", choices=LIMITS, default="flow")
    parser.add_argument("--short", type=int, default=100)
    parser.add_argument("--long", type=int)
    parser.add_argument("--side", type=int, default=128)
    options = parser.parse_args()
    limit, n_long = LIMITS[options.segmenter], options.long or LONG[options.segmenter]
    with tempfile.TemporaryDirectory() as name:
        settings = settings_of(options.segmenter, Path(name), options.side)
        short = peak(Path(name), options.short, settings)
        print(f"{options.segmenter}, {options.short} frames: {short:.0f} MiB", flush=True)
        long = peak(Path(name), n_long, settings)
    print(f"{options.segmenter}, {n_long} frames: {long:.0f} MiB")
    print(f"ratio: {long / short:.3f} (limit {limit})")
    sys.exit(long / short > limit)


if __name__ == "__main__":
    main()
