"""The picture at the top of the README: frames of a run's overlay, side by side.

make demo && python examples/make_picture.py runs/demo docs/result.jpg --frames 6 36 60
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from alref_agent.media.atomic import whole_file
from alref_agent.media.sheet import encode_jpeg
from alref_agent.media.video import open_video


def main() -> None:
    """Read, join, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--frames", type=int, nargs="+", default=[6, 36, 60])
    options = parser.parse_args()
    overlay = open_video(options.run / "overlay.mp4")
    frames = [overlay.frame(frame_idx) for frame_idx in options.frames]
    gap = np.full((overlay.height, 8, 3), 255, np.uint8)
    joined = [part for frame in frames for part in (gap, frame)][1:]
    with whole_file(options.picture) as path:
        path.write_bytes(encode_jpeg(np.concatenate(joined, axis=1), quality=85))


if __name__ == "__main__":
    main()
