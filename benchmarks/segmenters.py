"""Frames a second of SAM 2 in its published sizes, ours against one session of the library.

    python benchmarks/segmenters.py [--sizes tiny large] [--objects 1 8] [--frames 24] [--side 1024]
                                    [--device auto] [--dtype auto] [--compile] [--keep]

Random weights of the published shapes: what takes time is as it is. The objects are prompted by a
box on the first frame. The rival is the library's own session, with all objects in it, on the same
frames and in the same process; each size is a process of its own, so that its peak of memory is its
own too. `--keep` writes the table into `benchmarks/results/`, with the device and the date.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

from alref_agent.media.video import open_video
from alref_agent.tools.segmentation.cues import courses
from alref_agent.tools.segmentation.hf_video import HfNetwork
from alref_agent.tools.segmentation.pixels import full_size
from alref_agent.tools.segmentation.sweeps import sweep
from alref_agent.types import Prompt, Video
from alref_agent.weights.devices import choose_device, choose_dtype
from published_shapes import SIZES, library_session, random_sam2, sam2_config

HERE = Path(__file__).parent
CLIP = HERE.parent / "examples" / "clip" / "clip.mp4"
BUDGET = 512 * 2**20


def prompts(video: Video, n_objects: int) -> list[Prompt]:
    """A box an object, all on the first frame."""
    random = np.random.RandomState(0)
    made = []
    for obj_id in range(1, n_objects + 1):
        x, y = random.uniform(0.05, 0.6, 2) * (video.width, video.height)
        box = np.array([x, y, x + video.width / 4, y + video.height / 4], np.float32)
        made.append(Prompt(obj_id, 0, box=box))
    return made


def ours(network: HfNetwork, video: Video, asked: list[Prompt]) -> None:
    """One encoding for all, masks at video resolution."""
    size = (video.height, video.width)
    for sight in sweep(network, video, courses(asked), BUDGET):
        network.mask(sight.outlook, size)


def theirs(model: Any, video: Video, asked: list[Prompt]) -> None:
    """The library's session with all objects, as its page shows it."""
    side = model.config.image_size
    session = library_session(model, video)
    scale = side / np.array([video.width, video.height], np.float32)
    for prompt in asked:
        assert prompt.box is not None
        inputs = {
            "point_coords": torch.tensor(prompt.box.reshape(1, 1, 2, 2) * scale),
            "point_labels": torch.tensor([[[2, 3]]], dtype=torch.int32),
        }
        session.add_point_inputs(session.obj_id_to_idx(prompt.obj_id), 0, inputs)
    session.obj_with_new_inputs = [prompt.obj_id for prompt in asked]
    with torch.inference_mode():
        model(session, frame_idx=0)
    for out in model.propagate_in_video_iterator(session, start_frame_idx=0):
        for logits in out.pred_masks[:, 0]:
            full_size(logits, (video.height, video.width))


def seconds(device: torch.device, work: Callable[[], None]) -> float:
    """Of the wall on a GPU, of the processor on a CPU, whatever else runs there."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    if device.type == "cuda":
        torch.cuda.synchronize()
    started = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - started


def peak(device: torch.device) -> float:
    """MiB so far: of the GPU, or of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(options: argparse.Namespace, size: Any) -> list[dict[str, Any]]:
    """A row a number of objects."""
    device = choose_device(options.device)
    dtype = choose_dtype(options.dtype, device)
    config = sam2_config(size, options.side)
    compiler = torch.compile if options.compile else None
    model = random_sam2(config).to(device, dtype)
    network = HfNetwork(model, Sam2VideoInferenceSession, compiler=compiler)
    video = open_video(CLIP, end=options.frames)
    mine: dict[int, tuple[float, float]] = {}
    for n_objects in options.objects:
        asked = prompts(video, n_objects)
        if device.type == "cuda":  # kernels are chosen once
            ours(network, video, asked)
        taken = seconds(device, partial(ours, network, video, asked))
        mine[n_objects] = taken, peak(device)
    # Ours has parts replaced, and its memory was its own.
    rival = random_sam2(config).to(device, dtype)
    rows = []
    for n_objects, (taken, used) in mine.items():
        asked = prompts(video, n_objects)
        if device.type == "cuda":
            theirs(rival, video, asked)
        other = seconds(device, partial(theirs, rival, video, asked))
        rows.append(
            {
                "model": f"hiera-{size}",
                "side": options.side,
                "objects": n_objects,
                "frames": video.n_frames,
                "dtype": str(dtype).removeprefix("torch."),
                "compiled": options.compile,
                "ours_fps": round(video.n_frames / taken, 3),
                "library_fps": round(video.n_frames / other, 3),
                "ratio": round(other / taken, 2),
                "peak_mib": round(used),
            }
        )
    return rows


def named(device: torch.device) -> str:
    """What the device calls itself."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s)"


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    head = list(rows[0])
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(row[name]) for name in head) + " |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and keep the table if that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--objects", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--one", choices=SIZES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    device = choose_device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    if options.one:
        print(json.dumps(measure(options, options.one)))
        return
    rows: list[dict[str, Any]] = []
    for size in options.sizes:
        words = [sys.executable, __file__, *sys.argv[1:], "--one", size]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        rows += json.loads(done.stdout.splitlines()[-1])
        print(table(rows[-len(options.objects) :]), flush=True)
    title = f"{named(device)}, torch {torch.__version__}, {date.today()}"
    print(f"\n{title}\n\n{table(rows)}")
    if options.keep:
        name = "".join(c if c.isalnum() else "-" for c in named(device)).strip("-").lower()
        file = HERE / "results" / f"segmenters-{name}-{options.side}px.md"
        file.parent.mkdir(exist_ok=True)
        typed = " ".join(sys.argv[1:])
        file.write_text(
            f"# Frames a second of SAM 2\n\n`python benchmarks/segmenters.py {typed}`\n\n"
            f"{title}. Random weights of the published shapes; the library is transformers.\n\n"
            f"{table(rows)}\n",
            encoding="utf-8",
        )
        print(f"kept in {file.name}")


if __name__ == "__main__":
    main()
