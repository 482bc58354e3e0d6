"""J and F of the profile `offline` on sequences laid out as DAVIS-2016, and frames a second.

    python benchmarks/offline_davis.py DIR [SEQUENCE ...] [--set key=value] [--out FOLDER]

DIR holds `JPEGImages/SEQ/00000.jpg`, `Annotations/SEQ/00000.png` (0 / 255), both perhaps with a
folder `480p` between, and `expressions.json`: `{"SEQ": ["the dog", ...]}`. Every expression is a
run of its own, from the frames to the finished folder; the union of its objects is compared with
the truth on all frames, by the official definitions. A sequence's figure is the mean over its
expressions, the total the mean over sequences.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from alref_agent import segment
from scoring import level, score, truths_in


def run(
    frames: Path, expression: str, out: Path, settings: list[str]
) -> tuple[list[npt.NDArray[np.bool_]], float]:
    """The masks of a run, and how many seconds it took from frames to finished folder."""
    started = time.perf_counter()
    finished = segment(
        frames, text=[expression], profile="offline", out=out, settings=settings, overwrite=True
    )
    seconds = time.perf_counter() - started
    files = sorted((finished.folder / "masks").glob("*.png"))
    return [np.asarray(Image.open(file)) > 0 for file in files], seconds


def main() -> None:
    """Run, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("sequences", nargs="*")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, help="keep the run folders here")
    arguments = parser.parse_args()
    expressions: dict[str, list[str]] = json.loads(
        (arguments.folder / "expressions.json").read_text(encoding="utf-8")
    )
    frames_of, truths_of = (level(arguments.folder / d) for d in ("JPEGImages", "Annotations"))
    totals = []
    n_frames, seconds = 0, 0.0
    with tempfile.TemporaryDirectory() as scratch:
        out = arguments.out or Path(scratch)
        for sequence in arguments.sequences or sorted(expressions):
            figures = []
            for i, expression in enumerate(expressions[sequence]):
                folder = out / f"{sequence}-{i}"
                masks, took = run(frames_of / sequence, expression, folder, arguments.set)
                truths = truths_in(truths_of / sequence)
                if len(truths) != len(masks):
                    raise SystemExit(
                        f"{sequence}: {len(truths)} annotations for {len(masks)} frames"
                    )
                j, f = score(masks, truths)
                figures.append((j, f))
                n_frames, seconds = n_frames + len(masks), seconds + took
                print(
                    f"{sequence:20} J {j:.3f}  F {f:.3f}  J&F {(j + f) / 2:.3f}  "
                    f"{len(masks) / took:5.1f} frames/s  {expression}",
                    flush=True,
                )
            totals.append(np.mean(figures, axis=0))
    j, f = np.mean(totals, axis=0)
    print(
        f"{f'mean of {len(totals)} sequences':20} J {j:.3f}  F {f:.3f}  J&F {(j + f) / 2:.3f}  "
        f"{n_frames / seconds:5.1f} frames/s"
    )


if __name__ == "__main__":
    main()
